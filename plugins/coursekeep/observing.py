"""What a client tells of its requests: how many, how they ended, how long they took. For metrics and traces.

The framework hands every connector's client an observer, so that an author gets metrics and traces without a line of
code. What is told holds no query, no header, no body, and of a path only the words that name resources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Asked", "Observer", "template_of"]

#: words that name a resource, such as `courses`, `v1`, `server.php`
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)*|v\d{1,2}(?:p\d{1,2})?|[a-z]+\.(?:php|json)")
_LONGEST_WORD = 32
_PLACEHOLDER = "{id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request that has been sent, and how its answer began."""

    method: str
    #: the path with `{id}` where it may name a thing or a person; empty for files, whose paths hold their names
    path: str
    #: None where no answer came
    status: int | None
    #: kind of the failure where no answer came, such as `ReadTimeout`
    failure: str
    #: from the sending to the first byte of the answer, without the wait for a turn
    seconds: float


class Observer:
    """Is told what a client does. Override what you want to know; the methods must be quick, and raise nothing."""

    def asked(self, request: Asked) -> None:
        """Note a request that was answered, or failed. Redirects are requests of their own."""

    def received(self, size: int) -> None:
        """Note bytes of a body, as they came over the wire."""

    def throttled(self) -> None:
        """Note an answer by which the LMS asked for fewer requests."""

    def retried(self) -> None:
        """Note that a request is made again since it failed or was throttled."""


def template_of(path: str) -> str:
    """Return a path with `{id}` in place of whatever may be an id, a name or a key.

    Only plain words stay, and not after one that reads as a plural: what follows `users` names one of them.
    """
    kept: list[str] = []
    for part in path.split("/"):
        is_word = len(part) <= _LONGEST_WORD and _WORD.fullmatch(part) is not None
        names_one = bool(kept) and kept[-1].endswith("s")
        kept.append(part if not part or (is_word and not names_one) else _PLACEHOLDER)
    return "/".join(kept)
