"""How what an LMS bears is divided: whatever is lost on the way, never more than that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coursekeep_daemon.store.shares import Budget, Granted, Member, Terms, Told, divide, settle

TERMS = Terms()
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MOST = 6


def told(member: str = "a", **more: object) -> Told:
    values: dict[str, object] = {"budget": "main", "member": member, "most": 10, "wants": 4, "held": 0, **more}
    return Told(**values)  # type: ignore[arg-type]


def holder(member: str, places: int, *, wants: int = 4, most: int = 10) -> Member:
    return Member(id=member, places=places, wants=wants, most=most, expires_at=NOW + timedelta(seconds=5))


def said(budget: Budget, others: list[Member], word: Told, now: datetime = NOW) -> tuple[Budget, Granted]:
    after, _, granted = settle(budget, others, word, now, TERMS)
    return after, granted


@given(
    limit=st.integers(1, 300),
    wants=st.dictionaries(st.sampled_from("abcdefghijklm"), st.integers(0, 40), min_size=1),
    turn=st.integers(0, 2**40),
)
def test_places_are_divided_evenly(limit: int, wants: dict[str, int], turn: int) -> None:
    """No more places than there are, none left that anyone could use, none useless, and nobody has two more than one
    who would take more."""
    shares = divide(limit, wants, turn)

    assert sum(shares.values()) == min(limit, sum(2 * each for each in wants.values()))
    assert all(shares[name] <= 2 * wants[name] for name in wants)
    for name in wants:
        if shares[name] < 2 * wants[name]:
            assert max(shares.values()) <= shares[name] + 1


@given(limit=st.integers(1, 12), members=st.integers(1, 20))
def test_places_go_round(limit: int, members: int) -> None:
    """Where there are more members than places, as many turns as there are members serve everyone equally often."""
    wants = {f"m{number:02}": 30 for number in range(members)}
    served = dict.fromkeys(wants, 0)
    for turn in range(members):
        for name, places in divide(limit, wants, turn).items():
            served[name] += places

    assert set(served.values()) == {limit}


def test_a_lone_member_gets_all() -> None:
    """One that uses much gets everything; an idle one nothing, and its row goes."""
    assert said(Budget(allowed=10), [], told(wants=5))[1].places == 10
    budget, member, granted = settle(Budget(allowed=10), [], told(wants=0), NOW, TERMS)
    assert (member, granted.places, budget) == (None, 0, Budget(allowed=10))


def test_places_come_from_nobody() -> None:
    """A newcomer gets what is nobody's, and the rest once the other has given it up; that one is asked to."""
    alone = holder("b", 10)

    assert said(Budget(allowed=10), [alone], told())[1].places == 0
    _, kept, asked = settle(Budget(allowed=10), [holder("a", 0)], told("b", held=10), NOW, TERMS)
    assert kept is not None
    assert (asked.places, kept.places) == (5, 10)
    assert said(Budget(allowed=10), [replace(alone, places=6)], told())[1].places == 4


@pytest.mark.parametrize("terms", [{"used": 20.0}, {"used": 24.0}, {"interval": 16.0}])
def test_places_are_not_used_once_they_are_freed(terms: dict[str, float]) -> None:
    """A member that would use its places for as long as its lease, or longer, is no member."""
    with pytest.raises(ValueError, match="stop before they are freed"):
        Terms(**terms)


def test_the_least_of_all_settings_counts() -> None:
    """While settings differ between processes, the smallest maximum holds for all."""
    assert said(Budget(allowed=10), [holder("b", 1, most=3)], told())[1].places == 2


def test_throttling_halves_once_a_round_for_all() -> None:
    """What one member was told halves the budget of all; others who saw the same round change nothing."""
    once, granted = said(Budget(allowed=10), [], told(throttled=True, after=7.0))
    again, _ = said(once, [], told("b", throttled=True))
    later, _ = said(again, [], told("b", throttled=True, round=1))

    assert (once.allowed, once.round, granted.places, granted.wait) == (5.0, 1, 5, 7.0)
    assert (again.allowed, later.allowed, later.round) == (5.0, 2.5, 2)
    assert said(once, [], told("b"), NOW + timedelta(seconds=3))[1].wait == 4.0
    assert said(once, [], told("b"), NOW + timedelta(seconds=8))[1].wait == 0.0


def test_good_answers_raise_it_again() -> None:
    """Good answers add one place per round of answers, up to the maximum, and none while the headroom is low."""
    raised, _ = said(Budget(allowed=4), [], told(good=10))
    full, _ = said(Budget(allowed=4), [], told(good=800))
    low, granted = said(Budget(allowed=4), [], told(good=10, share=0.5))
    old, _ = said(Budget(allowed=4, round=1), [], told(good=10))

    assert old.allowed == 4.0, "answers from before the throttling"
    assert (raised.allowed, full.allowed, low.allowed, granted.places) == (6.0, 10.0, 4.0, 2)
    assert said(low, [], told())[1].places == 2
    assert said(low, [], told(share=0.0))[1].places == 1, "one request may always be made"


@dataclass
class Process:
    """A member as its process has it: its own clock, what it may have in flight, and what is under way."""

    name: str
    most: int = MOST
    allowance: int = 0
    in_flight: int = 0
    wants: int = 0
    until: float = -1.0
    #: an answer on its way: when it was asked for, and what it says
    answer: tuple[float, Granted] | None = None

    @property
    def held(self) -> int:
        return max(self.allowance, self.in_flight)


class SharedBudget(RuleBasedStateMachine):
    """Members that ask, fall silent, come back; answers that are late or lost; a database that knows only its clock."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(allowed=float(MOST))
        self.rows: dict[str, Member] = {}
        self.time = 0.0
        self.processes = [Process(name) for name in "abcd"]

    @rule(number=st.integers(0, 3), wants=st.integers(0, 9))
    def want(self, number: int, wants: int) -> None:
        self.processes[number].wants = wants

    @rule(number=st.integers(0, 3), throttled=st.booleans(), good=st.integers(0, 5), lost=st.booleans())
    def speak(self, number: int, *, throttled: bool, good: int, lost: bool) -> None:
        process = self.processes[number]
        word = told(
            process.name, most=process.most, wants=process.wants, held=process.held, good=good, throttled=throttled,
            round=self.budget.round,
        )  # fmt: skip
        now = NOW + timedelta(seconds=self.time)
        others = [row for row in self.rows.values() if row.id != process.name and row.expires_at > now]
        self.budget, member, granted = settle(self.budget, others, word, now, TERMS)
        self.rows = {row.id: row for row in others} | ({process.name: member} if member else {})
        process.answer = None if lost else (self.time, granted)

    @rule(number=st.integers(0, 3))
    def hear(self, number: int) -> None:
        process = self.processes[number]
        if process.answer and self.time < process.answer[0] + TERMS.used:
            process.allowance, process.until = process.answer[1].places, process.answer[0] + TERMS.used
        process.answer = None

    @rule(number=st.integers(0, 3), requests=st.integers(0, 9))
    def work(self, number: int, requests: int) -> None:
        process = self.processes[number]
        process.in_flight = min(requests, process.held if requests <= process.in_flight else process.allowance)

    @rule(number=st.integers(0, 3))
    def give_up_what_is_more(self, number: int) -> None:
        process = self.processes[number]
        process.in_flight = min(process.in_flight, process.allowance)

    @precondition(lambda self: True)
    @rule(seconds=st.sampled_from([0.5, 3.0, 17.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.time += seconds
        for process in self.processes:
            if process.until <= self.time:
                process.allowance = process.in_flight = 0

    @invariant()
    def never_more_than_it_bears(self) -> None:
        assert sum(process.held for process in self.processes) <= MOST
        assert sum(process.in_flight for process in self.processes) <= MOST


TestSharedBudget = SharedBudget.TestCase
TestSharedBudget.settings = settings(max_examples=150, stateful_step_count=40)
