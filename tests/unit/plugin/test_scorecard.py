"""The scorecard: marks, grades, and what cannot be left out to get a better one."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from coursekeep.testing import Area, ConnectorContract, Grade, promises_of
from coursekeep.testing.scorecard import REMEDIES, Mark, Outcome, Scorecard, grade_of, scorecard
from coursekeep_daemon.conformance import ConformanceError, conformance_modules, run_suite

HEAD = """
import pytest
from coursekeep import NO_RETRY
from coursekeep.testing import ConnectorContract
from fakes.contract_lms import KNOWN, Good, open_for
"""
WHOLE = """
class Suite(ConnectorContract):
    positions = 1

    @pytest.fixture
    def connector(self):
        return open_for(Good)

    @pytest.fixture
    def known(self):
        return KNOWN
"""


def mark(outcome: Outcome, grade: Grade = Grade.REQUIRED) -> Mark:
    """Make a mark."""
    return Mark(suite="Suite", test="test", area=Area.GAPS, grade=grade, fact="It holds.", outcome=outcome)


@pytest.mark.parametrize(
    ("marks", "grade"),
    [
        ([], None),
        ([mark(Outcome.NOT_APPLICABLE)], None),
        ([mark(Outcome.PASSED)], Grade.EXEMPLARY),
        ([mark(Outcome.PASSED), mark(Outcome.NOT_APPLICABLE)], Grade.EXEMPLARY),
        ([mark(Outcome.PASSED), mark(Outcome.FAILED)], None),
        ([mark(Outcome.PASSED), mark(Outcome.FAILED, Grade.EXPECTED)], Grade.REQUIRED),
        ([mark(Outcome.PASSED), mark(Outcome.FAILED, Grade.EXEMPLARY)], Grade.EXPECTED),
    ],
)
def test_grade_is_the_highest_without_a_broken_promise_up_to_it(marks, grade):
    """One broken promise of a grade withholds that grade and those above; where nothing was proven there is none."""
    assert grade_of(marks) is grade


def test_scorecard_comes_back_from_its_json():
    """What the suite's process writes is what the command reads."""
    card = Scorecard(marks=[mark(Outcome.FAILED), mark(Outcome.PASSED)], others=["own: x"])

    assert scorecard(card.to_json()) == card
    assert card.to_json()["areas"]["gaps"] == {"passed": 1, "failed": 1, "not applicable": 0}


def test_every_promise_has_an_area_a_grade_and_a_fact():
    """No test of the contract is without them, and every area says what to do."""
    tests = {name for name in dir(ConnectorContract) if name.startswith("test_")}

    assert {promise.name for promise in promises_of(ConnectorContract)} == tests
    assert all(promise.fact.endswith(".") for promise in promises_of(ConnectorContract))
    assert set(REMEDIES) == set(Area)
    assert {promise.area for promise in promises_of(ConnectorContract)} == set(Area)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module that the suite's process can import."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).resolve().parents[2]}")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")  # must have no say

    def write(source: str) -> str:
        package = tmp_path / "made_up"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "conformance.py").write_text(HEAD + dedent(source))
        return "made_up.conformance"

    return write


@pytest.mark.slow
def test_good_connector_reaches_the_highest_grade(module):
    """Every promise has its mark, under the name of the class; tests of one's own count for nothing."""
    card = run_suite([module(WHOLE + "\ndef test_of_its_own():\n    assert False, 'its own'\n")], seconds=300)

    assert card.failures() == []
    assert card.grade is Grade.EXEMPLARY
    assert {found.test for found in card.marks} == {promise.name for promise in promises_of(ConnectorContract)}
    assert [own for own in card.others if "its own" in own]


FLAWED = """
    def test_names(self):
        pass

    test_terms = None

    @pytest.fixture(autouse=True)
    def _leave_out(self, request):
        if request.node.originalname == "test_course":
            pytest.skip("not today")
        if request.node.originalname != "test_missing_course":
            pytest.skip("not applicable: it is asked elsewhere")

    @pytest.fixture
    def connector(self):
        raise RuntimeError("no server")
"""


def test_what_is_replaced_or_left_out_is_not_kept(module):
    """A replaced test, a removed one, one that is skipped for a reason of one's own, and a broken fixture all fail."""
    card = run_suite([module(WHOLE + FLAWED)], seconds=120)
    failed = {found.test: found.detail for found in card.failures()}

    assert failed.keys() == {"test_names", "test_terms", "test_course", "test_missing_course"}
    assert "is replaced" in failed["test_names"]
    assert "is replaced" in failed["test_terms"]
    assert failed["test_course"] == "the test was skipped: not today"
    assert "no server" in failed["test_missing_course"]
    assert card.failures()[0].remedy.startswith(REMEDIES[card.failures()[0].area])
    assert card.grade is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "no test was run"),
        ("import no_such_module\n", "no_such_module"),
    ],
)
def test_module_without_suite_is_told(module, source, message):
    """A module that cannot be imported, or holds no suite, is an error that says so, and no scorecard."""
    with pytest.raises(ConformanceError, match=message):
        run_suite([module(source)], seconds=60)


def test_suite_that_hangs_is_ended(module):
    """A suite that takes longer than it may is ended."""
    with pytest.raises(ConformanceError, match="did not end within 2 seconds"):
        run_suite([module("import threading\nthreading.Event().wait()\n")], seconds=2)


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        ("coursekeep-no-such-connector", "no distribution 'coursekeep-no-such-connector' is installed"),
        ("", "no distribution '' is installed"),
        ("pluggy", "names no conformance suite; add to its pyproject.toml"),
    ],
)
def test_distribution_without_suite_is_told(distribution, message):
    """A distribution that is not installed, or names no suite, is an error that says what to do."""
    with pytest.raises(ConformanceError, match=message):
        conformance_modules(distribution)


def test_pytest_may_be_missing(monkeypatch: pytest.MonkeyPatch):
    """Without pytest the command says which extra brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConformanceError, match=r"coursekeep\[testing\]"):
        conformance_modules("coursekeep-example")
