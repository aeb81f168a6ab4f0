"""One budget of requests per LMS for all processes: each gives its governors the places that are its own.

The way of a place: `Governor` (what is wanted) -> `Share` (what to say, and when) -> `Budgets` (says it) ->
`store.budgets` (the row of the LMS) -> `store.shares` (how it is divided) -> `Governor.allow`. Why so:
`docs/decisions/024-shared-budget.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import uuid
from collections.abc import Iterable, Mapping
from typing import Self

import structlog
from pydantic import BaseModel, SecretStr

from coursekeep import Governor
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import BudgetBook, Granted, StoreError, Terms, Told

__all__ = ["Budgets", "Share", "budget_names"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: seconds between two words of a member to whom something happened
_SPACING = 0.05
#: seconds without a request after which places are given back: requests of one course follow each other closely
_LINGER = 0.1
#: seconds until a member that got less than its share asks again, for each member there is
_HUNGRY = 0.025
_HUNGRIEST = 0.1
#: seconds between two attempts where the database is away, or something else is wrong
_AWAY = 0.5
#: seconds that a stop waits for the database
_AT_STOP = 3.0


class Share:
    """One governor's part of a budget: what to say of it, when, and what is granted."""

    def __init__(self, budget: str, member: str, governor: Governor, terms: Terms, wake: asyncio.Event) -> None:
        """Take the governor, which from now on begins no request before a place is granted."""
        self._budget = budget
        self._member = member
        self._governor = governor
        self._terms = terms
        self._wake = wake
        self._clock = asyncio.get_running_loop().time
        self._due = math.inf
        self._said = -math.inf
        self._wanted = self._places = self._peak = 0
        self._round = self._good = self._throttles = self._told_throttles = 0
        self._headroom: float | None = None
        self._not_before = 0.0
        self._lingering = False
        governor.allow(0)
        governor.listen(self)
        self.changed()

    @property
    def due(self) -> float:
        """When this member has something to say, by the clock of the event loop."""
        return self._due

    def changed(self) -> None:
        """Speak at once where more is wanted, or given back, than the budget knows; soon where nothing is wanted."""
        governor = self._governor
        demand = governor.demand
        self._peak = max(self._peak, demand)
        if (demand > governor.in_flight and demand > self._wanted) or governor.held < self._places:
            self._soon(_SPACING)
        elif not demand and self._places:
            self._lingering = True
            self._soon(_LINGER)
        elif demand and self._lingering:
            self._lingering = False
            if not self._throttles:
                self._due = self._said + self._terms.interval

    def answered(self, share: float) -> None:
        """Count a good answer."""
        self._good += 1
        self._headroom = share

    def throttled(self, after: float | None, *, news: bool) -> None:
        """Speak at once: all members ask too much."""
        self._throttles += news
        if after is not None:
            self._not_before = max(self._not_before, self._clock() + after)
        self._soon(0.0)

    def tell(self) -> Told:
        """Say what has happened since `take` was last called."""
        now = self._clock()
        self._said, self._due = now, now + self._terms.interval
        if idle := self._lingering and not self._governor.demand:
            self._governor.allow(0)
        self._told_throttles = self._throttles
        told = Told(
            budget=self._budget,
            member=self._member,
            most=self._governor.most,
            wants=0 if idle else max(self._peak, self._governor.demand),
            held=self._governor.held,
            good=self._good,
            share=self._headroom,
            throttled=self._throttles > 0,
            round=self._round,
            after=max(0.0, self._not_before - now),
        )
        self._peak, self._lingering = 0, False
        return told

    def take(self, told: Told, granted: Granted, sent: float) -> None:
        """Use what was granted, until it has to be renewed; `sent` is when `told` was said."""
        end = sent + self._terms.used
        if self._clock() >= end:
            return  # the answer came so late that others may have these places
        self._good -= told.good
        self._throttles -= self._told_throttles
        if granted.round != self._round:
            self._round = granted.round
            self._governor.begin_round()
        if granted.wait:
            self._governor.hold(granted.wait)
        self._wanted, self._places = told.wants, max(told.held, granted.places)
        self._governor.allow(granted.places, until=end)
        self._next(granted)

    def leave(self) -> Told:
        """Say that the process ends. What is asked after that is a plug-in's farewell, which nobody counts."""
        told = self.tell()
        self._governor.listen(None)
        self._governor.allow(None)
        return told

    def _next(self, granted: Granted) -> None:
        governor = self._governor
        if governor.held < self._places:
            self._soon(_SPACING)  # what is more than the share has been given up: others may have it
        elif not self._places and not governor.demand:
            self._due = math.inf
        elif governor.demand >= granted.places:
            hungry = granted.places < granted.share
            self._soon(max(_HUNGRIEST, _HUNGRY * granted.members) if hungry else granted.turn)

    def _soon(self, seconds: float) -> None:
        due = max(self._clock() + seconds, self._said + _SPACING)
        if due < self._due:
            self._due = due
            self._wake.set()


class Budgets:
    """The shares of one process in the budgets of all LMSs. Use as an asynchronous context manager.

    Until the database has granted a place, nothing is asked of any LMS. Where it is away, each governor goes on with
    the places it has until they have to be renewed, and then waits for it.
    """

    def __init__(
        self, store_url: str, lmses: Mapping[str, Lms], *, password: str | None, terms: Terms | None = None
    ) -> None:
        """Take the address of the store and the open integrations. Raises `SettingsError`."""
        self._book = BudgetBook(store_url, password=password, terms=terms)
        self._lmses = lmses
        self._process = uuid.uuid4().hex
        self._wake = asyncio.Event()
        self._shares: list[Share] = []
        self._task: asyncio.Task[None] | None = None
        #: what is in the way, so that it is said once
        self._trouble = ""

    async def start(self) -> None:
        """Bind the governors of all integrations that are asked over HTTP."""
        names = budget_names(self._lmses)
        for name, lms in self._lmses.items():
            if lms.connector.over_http:
                member = f"{self._process}/{name}"
                governor = lms.connector.client.governor
                self._shares.append(Share(names[name], member, governor, self._book.terms, self._wake))
        self._task = lasting(self._work, "share the request budget")

    async def stop(self) -> None:
        """Give all places back, and let go of the governors. Call it once no course is in flight."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        left = [share.leave() for share in self._shares]
        self._shares.clear()
        with contextlib.suppress(StoreError, TimeoutError):  # then they are free when their time is over
            async with asyncio.timeout(_AT_STOP):
                await self._book.forget(left)
        self._book.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            now = clock()
            due = [share for share in self._shares if share.due <= now]
            if due:
                await self._settle(due, now)
                continue
            self._wake.clear()
            soonest = min((share.due for share in self._shares), default=math.inf)
            await wait_for_event(self._wake, None if soonest == math.inf else max(0.0, soonest - now))

    async def _settle(self, due: Iterable[Share], now: float) -> None:
        try:
            told = [(share, share.tell()) for share in due]
            granted = await self._book.settle([each for _, each in told])
            for (share, said), answer in zip(told, granted, strict=True):
                share.take(said, answer, now)
        except StoreError as error:
            if self._trouble != "away":
                log.warning("budget_trouble", reason=str(error))
            await self._pause("away")
        except Exception:  # a fault of our own: were this task to end, every LMS would be waited for in silence
            if self._trouble != "broken":
                log.exception("budget_broken")
            await self._pause("broken")
        else:
            if self._trouble:
                log.info("budget_back")
            self._trouble = ""

    async def _pause(self, trouble: str) -> None:
        self._trouble = trouble
        await asyncio.sleep(_AWAY)


def budget_names(lmses: Mapping[str, Lms]) -> dict[str, str]:
    """Name the budget of each integration: the first by name of those that use the same credentials on one host.

    So no secret, and nothing made from one, is stored; and renewing a token leaves the budget what it is.
    """
    first: dict[object, str] = {}
    return {name: first.setdefault(_identity(name, lmses[name].connector.settings), name) for name in sorted(lmses)}


def _identity(name: str, settings: object) -> object:
    values = dict(settings) if isinstance(settings, BaseModel) else {}
    secrets = tuple((key, value.get_secret_value()) for key, value in values.items() if isinstance(value, SecretStr))
    if not secrets or not values.get("base_url"):
        return name
    return values["base_url"].rstrip("/").lower(), secrets
