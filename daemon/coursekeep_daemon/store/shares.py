"""How what an LMS bears is divided among the processes that ask it. Knows no database; `budgets.py` keeps the rows.

A member is one process's governor of one LMS. It says how many requests it wants to have in flight, and how many it
may have until it hears again: these places are its own. It is given more only from places that are nobody's; it is
asked to give up what is more than its share, and keeps that as its own until it says that it has done so. So the
places of all never exceed what the LMS bears, whichever message is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

__all__ = ["Budget", "Granted", "Member", "Terms", "Told", "divide", "settle"]

#: what a throttled answer leaves of the requests in flight, as in `coursekeep.governor`
_CUT = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """How long things last, in seconds. The same for all processes."""

    #: a member that is silent for so long has lost its places
    lease: float = 20.0
    #: a member that could not renew them for so long no longer uses them; the rest is for clocks that run unevenly
    used: float = 16.0
    #: where there are fewer places than members, others are served after so long
    slice: float = 5.0
    #: a member that uses places says so at least this often
    interval: float = 1.0

    def __post_init__(self) -> None:
        if not self.interval < self.used < self.lease:
            raise ValueError(
                "a member must renew its places before it stops using them, and stop before they are freed"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What one LMS bears, as all processes know it."""

    #: requests at once by additive increase and multiplicative decrease
    allowed: float
    #: what the LMS's headroom leaves of them
    share: float = 1.0
    #: goes up when throttling was taken into account
    round: int = 0
    #: the LMS asked for no request before
    not_before: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One process's places, as the store has them."""

    id: str
    places: int
    wants: int
    #: most requests at once by this process's settings
    most: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a member says."""

    budget: str
    member: str
    most: int
    #: requests that were in flight or waited, at most, since it last spoke
    wants: int
    #: requests that it may have in flight until it hears again
    held: int
    #: good answers since it last spoke
    good: int = 0
    #: what the LMS's headroom leaves; None where no answer came
    share: float | None = None
    #: the LMS asked for less
    throttled: bool = False
    #: the budget's round as this member knew it then
    round: int = 0
    #: seconds for which the LMS asked for no request, from now
    after: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """What a member is told."""

    #: requests that it may have in flight
    places: int
    #: requests that are due to it, once others have given up what is more than theirs
    share: int
    round: int
    #: seconds for which to begin none
    wait: float
    #: members that use this budget now
    members: int
    #: seconds until what cannot be divided goes to others
    turn: float


def settle(
    budget: Budget, others: Sequence[Member], told: Told, now: datetime, terms: Terms
) -> tuple[Budget, Member | None, Granted]:
    """Take what a member says, and return the budget and its places after that; None where it needs none.

    `others` are the other members whose lease has not ended.
    """
    most = min([told.most, *(other.most for other in others)])
    budget = _adapted(budget, told, now, most)
    limit = max(1, int(min(budget.allowed, most) * budget.share))
    wants = {other.id: other.wants for other in others} | {told.member: told.wants}
    turn, past = divmod(now.timestamp(), terms.slice)
    share = divide(limit, wants, int(turn))[told.member]
    free = limit - sum(other.places for other in others)
    places = min(share, max(free, told.held))
    wait = 0.0 if budget.not_before is None else max(0.0, (budget.not_before - now).total_seconds())
    granted = Granted(
        places=places, share=share, round=budget.round, wait=wait, members=len(wants), turn=terms.slice - past
    )
    if not told.wants and not told.held:
        return budget, None, granted
    member = Member(
        id=told.member,
        places=max(places, told.held),
        wants=told.wants,
        most=told.most,
        expires_at=now + timedelta(seconds=terms.lease),
    )
    return budget, member, granted


def _adapted(budget: Budget, told: Told, now: datetime, most: int) -> Budget:
    """Lower what is allowed where a member was throttled, else raise it by its good answers."""
    allowed, round_, not_before = min(budget.allowed, float(most)), budget.round, budget.not_before
    share = budget.share if told.share is None else told.share
    if told.throttled and told.round == round_:
        allowed, round_ = max(1.0, allowed * _CUT), round_ + 1
    elif told.good and told.round == round_ and share >= 1.0:
        # as if 1/allowed had been added at each of them; those of an earlier round say nothing of this one
        allowed = min(float(most), math.sqrt(allowed**2 + 2 * told.good))
    if told.after > 0:
        asked = now + timedelta(seconds=told.after)
        not_before = asked if not_before is None else max(not_before, asked)
    return replace(budget, allowed=allowed, share=share, round=round_, not_before=not_before)


def divide(limit: int, wants: Mapping[str, int], turn: int) -> dict[str, int]:
    """Divide so many places evenly, none more than it has use for; what cannot be divided goes round with `turn`.

    Whoever wants anything has use for twice as much: so it need not ask again for every request more.
    """
    shares = dict.fromkeys(wants, 0)
    left = limit
    open_ = [name for name in sorted(wants) if wants[name]]
    while left and open_:
        each, rest = divmod(left, len(open_))
        if not each:
            first = turn * rest % len(open_)
            for name in (open_ + open_)[first : first + rest]:
                shares[name] += 1
            break
        for name in open_:
            more = min(each, 2 * wants[name] - shares[name])
            shares[name] += more
            left -= more
        open_ = [name for name in open_ if shares[name] < 2 * wants[name]]
    return shares
