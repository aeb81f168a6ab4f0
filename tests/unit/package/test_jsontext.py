"""JSON in packages: the same value gives the same bytes, and reading gives back the value."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursekeep_daemon.package.jsontext import NotJson, pretty, rfc3339, to_line

NAIVE = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(ANY_JSON)
def test_every_value_comes_back(value: Any) -> None:
    """Control characters, lone surrogates, big integers and floats survive; a line is one line to every reader."""
    line = to_line(value)

    assert json.loads(line) == json.loads(json.dumps(value))
    assert len(line.decode("utf-8").splitlines()) == 1
    assert json.loads(pretty(value)) == json.loads(json.dumps(value))


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    """Keys are sorted, so equal objects give equal bytes."""
    assert to_line(value) == to_line(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", {"a": object()}, NAIVE])
def test_what_json_has_no_word_for_is_refused(value: Any) -> None:
    """NaN, infinities, bytes, sets and times without zone raise instead of becoming something else."""
    with pytest.raises(NotJson):
        to_line(value)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), "2026-01-31T23:59:59Z"),
        (datetime(2026, 1, 31, 23, 59, 59, 120000, tzinfo=UTC), "2026-01-31T23:59:59.120000Z"),
        (datetime(2026, 2, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T23:00:00Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "0001-01-01T00:00:00+02:00"),
    ],
)
def test_times_are_utc_with_a_fraction_only_where_there_is_one(moment: datetime, text: str) -> None:
    """Times are RFC 3339 in UTC; the very first day of the calendar keeps its zone rather than failing."""
    assert rfc3339(moment) == text
