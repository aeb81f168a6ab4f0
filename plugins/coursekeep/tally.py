"""What every export of a course keeps: what the LMS says there is, its raw answers in order, and what errors mean.

For connectors that are written by hand; `coursekeep.rest` counts by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from coursekeep.errors import ConnectorError, MalformedAnswer, NoAccess, NotFound, Unavailable
from coursekeep.kinds import MODELS, Kind
from coursekeep.records import Expected, Gap, GapReason, Part, RawPage, Record

__all__ = ["NONSENSE", "Parts", "Tally", "id_of", "nonsense", "reason_of", "wrong_fields"]

#: a stream of parts that can be closed before its end
Parts = AsyncGenerator[Part, None]

#: what a mapper raises when an object of the LMS is not what it should be
NONSENSE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)

_REASONS: tuple[tuple[type[ConnectorError], GapReason], ...] = (
    (Unavailable, GapReason.NOT_OFFERED),
    (NoAccess, GapReason.NO_ACCESS),
    (NotFound, GapReason.NOT_FOUND),
    (MalformedAnswer, GapReason.MALFORMED),
)


class Tally:
    """Counts what the LMS says there is, and numbers its raw answers. Memory holds numbers, never contents."""

    def __init__(self) -> None:
        self._expected: Counter[tuple[Kind, str]] = Counter()
        self._numbers: Counter[str] = Counter()

    def expect(self, kind: Kind, count: int = 1, basis: str = "listed") -> None:
        """Count what the LMS says there is; zero says that a list was read and was empty."""
        self._expected[kind, basis] += count

    def expected(self) -> Iterator[Expected]:
        """Yield the counts, at the end."""
        for (kind, basis), count in sorted(self._expected.items()):
            yield Expected(kind=kind, count=count, basis=basis)

    def raw(self, endpoint: str, body: Any, *, of: str | None = None) -> RawPage:
        """Make a raw page. `of` names the object that the answer belongs to where the answer itself does not say."""
        self._numbers[endpoint] += 1
        wrapped = body if of is None else {"id": of, "answer": body}
        return RawPage(endpoint=endpoint, number=self._numbers[endpoint], body=wrapped)

    def record_or_gap(
        self,
        kind: Kind,
        item: dict[str, Any],
        mapper: Callable[[dict[str, Any]], Record],
        *,
        of: str | None = None,
        basis: str = "listed",
    ) -> Record | Gap:
        """Map one object to its record, or to a gap where it makes no sense; counts it as expected.

        The gap is named after the object, or after `of`.
        """
        self.expect(kind, 1, basis)
        try:
            record = mapper(item)
            MODELS[kind].model_validate({"id": record.id, **record.data})
        except NONSENSE as error:
            return Gap(kind=kind, reason=GapReason.MALFORMED, id=of or id_of(item), detail=nonsense(error))
        return record


def reason_of(error: ConnectorError) -> GapReason:
    """Return what an error means for the part that it happened in."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), GapReason.MALFORMED)


def id_of(item: Mapping[str, Any]) -> str | None:
    """Return the id of an object as text; None where it has none."""
    value = item.get("id")
    return None if value is None else str(value)


def nonsense(error: Exception) -> str:
    """Say what is wrong with an object without repeating its contents, which may be personal."""
    if isinstance(error, ValidationError):
        return wrong_fields(error)
    return f"{type(error).__name__}: {error}" if isinstance(error, TypeError | KeyError) else str(error)[:500]


def wrong_fields(error: ValidationError) -> str:
    """Say which fields a model refuses, and why, without their values."""
    lines = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in lines)[:500]
