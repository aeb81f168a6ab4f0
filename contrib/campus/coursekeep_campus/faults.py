"""Bad days, switched on: what a server, a network or a proxy does to an answer.

A fault names the requests it meets by a pattern over `METHOD path`, with `*` for anything. It lets the first `after`
of them pass, meets the next `times`, and then is spent; without `times` it lasts until it is cleared.
"""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["FOREIGN", "Fault", "FaultKind", "Faults", "Host"]

#: a host that does not exist: whoever follows a link there fails, and tells it nothing
FOREIGN = "http://elsewhere.invalid"


class Host(StrEnum):
    """Which of a campus's two hosts a fault concerns."""

    ANY = "any"
    CANVAS = "canvas"
    FILES = "files"


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"  # the answer is `status` with an HTML body
    RESET = "reset"  # the connection is cut instead of an answer
    ENDLESS = "endless"  # a body without Content-Length and without end
    TRUNCATED = "truncated"  # half a body under the full Content-Length, then the connection ends
    HTML = "html"  # 200 with HTML where JSON is due
    SLOW = "slow"  # the body trickles over `seconds`
    HANG = "hang"  # no answer for `seconds`
    OUTAGE = "outage"  # 503 with an HTML body
    THROTTLE_403 = "throttle403"
    THROTTLE_429 = "throttle429"
    EMPTY = "empty"  # `status`, or 200, without a body
    LOOP = "loop"  # the next page is this page
    FOREIGN_NEXT = "foreign_next"  # the next page is on another host
    FOREIGN_REDIRECT = "foreign_redirect"  # a redirect to another host instead of an answer
    REPEAT = "repeat"  # every item of the page comes twice, as when rows move while one pages
    SHORT_FILE = "short_file"  # like truncated, for files
    LYING_SIZE = "lying_size"  # `size` in answers, or the bytes of a file, are not what they say
    LOGIN_PAGE = "login_page"  # a log-in page with status 200
    TOKEN_EXPIRES_AFTER = "token_expires_after"  # noqa: S105  # 401 "Expired access token." after `after` requests


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault. `match` is a pattern such as ``GET /api/v1/courses/*/pages*``."""

    match: str = "*"
    kind: FaultKind | str
    status: int = 500
    times: int | None = None
    after: int = 0
    seconds: float = 1.0
    host: Host | str = Host.ANY
    #: where foreign pages and redirects lead
    to: str = FOREIGN

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", FaultKind(self.kind))
        object.__setattr__(self, "host", Host(self.host))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fault:
        """Read a fault from JSON. Raises ValueError for unknown keys and kinds."""
        try:
            return cls(**value)
        except TypeError as error:
            raise ValueError(f"not a fault: {value!r} ({error})") from error


@dataclass(slots=True)
class _Armed:
    fault: Fault
    pattern: re.Pattern[str]
    seen: int = field(default=0)


class Faults:
    """The faults of one server. Safe to change from other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, *faults: Fault) -> None:
        """Switch faults on."""
        with self._lock:
            self._armed += [_Armed(fault, re.compile(fnmatch.translate(fault.match))) for fault in faults]

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._armed.clear()

    def hits(self) -> int:
        """Count the requests that faults in force have met or let pass."""
        with self._lock:
            return sum(armed.seen for armed in self._armed)

    def take(self, host: Host, method: str, path: str, path_and_query: str) -> Fault | None:
        """Return the fault that meets this request, and count it."""
        if not self._armed:
            return None
        with self._lock:
            for armed in self._armed:
                if armed.fault.host in (Host.ANY, host) and _matches(armed.pattern, method, path, path_and_query):
                    armed.seen += 1
                    if _in_force(armed):
                        return armed.fault
        return None


def _matches(pattern: re.Pattern[str], method: str, path: str, path_and_query: str) -> bool:
    return bool(pattern.match(f"{method} {path}") or pattern.match(f"{method} {path_and_query}"))


def _in_force(armed: _Armed) -> bool:
    number = armed.seen - armed.fault.after
    return number > 0 and (armed.fault.times is None or number <= armed.fault.times)
