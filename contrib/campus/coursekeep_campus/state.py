"""What a running server knows beyond its campus: options, exports under way, views already built, counters."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from coursekeep_campus.directory import Directory
from coursekeep_campus.exports import Exports
from coursekeep_campus.files import Signer
from coursekeep_campus.model import Campus
from coursekeep_campus.oauth import OAuth
from coursekeep_campus.throttle import Throttle
from coursekeep_campus.tokens import Tokens

__all__ = ["Options", "Seen", "State", "Stats"]

#: method, path with query, status, whether an Authorization header came along, Host header
Seen = tuple[str, str, int, bool, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a server behaves. The defaults are those of Canvas as its vendor hosts it."""

    delay: float = 0.0
    throttle: Throttle | None = field(default_factory=Throttle)
    max_per_page: int = 100
    #: of "user not authorized": 403 since 2024, 401 before
    no_right_status: int = 403
    #: how long a signed address of a file is good, in seconds
    signed_for: float = 300.0
    #: how storage refuses a request that carries Authorization
    storage_refusal: int = 400
    #: whether a refresh token may be used once only, which Canvas itself does not ask for
    rotating: bool = False
    #: seconds for which an access token of the token endpoint is good
    token_lasts: int = 3600
    #: seconds for which a refresh token is said to be good; Canvas says nothing
    refresh_lasts: int | None = None


@dataclass(slots=True)
class Stats:
    """Counts of what was asked and answered."""

    by_status: Counter[int] = field(default_factory=Counter)
    in_flight: int = 0
    max_in_flight: int = 0
    throttled: int = 0
    files: int = 0
    file_bytes: int = 0


class State:
    """Everything that changes while a server runs."""

    def __init__(self, campus: Campus, options: Options, clock: Callable[[], float] = time.monotonic) -> None:
        self.campus = campus
        self.options = options
        self.clock = clock
        self.tokens = Tokens()
        self.oauth = OAuth(
            self.tokens,
            rotating=options.rotating,
            lasts=options.token_lasts,
            refresh_lasts=options.refresh_lasts,
        )
        self.signer = Signer(clock, options.signed_for)
        self.directory = Directory(campus)
        self.exports = Exports(campus)
        self.stats = Stats()
        self.requests: deque[Seen] = deque(maxlen=200_000)
        #: goes up with every change of the campus: answers kept from before are stale
        self.version = 0
        #: topic id to how often its view was asked for while it was not built
        self.views: Counter[int] = Counter()
