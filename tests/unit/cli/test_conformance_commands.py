"""`coursekeep connector test`: what it prints of a scorecard, and how it ends."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from coursekeep.testing import Area, Grade
from coursekeep.testing.scorecard import Mark, Outcome, Scorecard
from coursekeep_daemon import conformance
from coursekeep_daemon.cli.app import make_app

BROKEN = Mark(
    suite="Suite",
    test="test_lost_page_is_told",
    area=Area.PAGING,
    grade=Grade.EXPECTED,
    fact="A further page is read.",
    outcome=Outcome.FAILED,
    detail="3 people\x1b[2J are missing",
    where="contract.py:7",
)
KEPT = Mark(
    suite="Suite", test="test_x", area=Area.GAPS, grade=Grade.REQUIRED, fact="It holds.", outcome=Outcome.PASSED
)
ELSEWHERE = Mark(
    suite="Suite",
    test="test_y",
    area=Area.RETRIES,
    grade=Grade.REQUIRED,
    fact="It holds.",
    outcome=Outcome.NOT_APPLICABLE,
    detail="nothing is asked over HTTP",
)


@pytest.fixture
def connector_test(monkeypatch: pytest.MonkeyPatch):
    """Run `connector test` on a scorecard that is there already."""
    card = Scorecard(marks=[KEPT, BROKEN, ELSEWHERE], others=["test_own: it broke"])
    monkeypatch.setattr(conformance, "conformance_modules", lambda distribution: ["made_up.conformance"])
    monkeypatch.setattr(conformance, "run_suite", lambda modules, *, seconds: card)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(make_app(), ["connector", "test", "made-up", *arguments])

    return run


def test_failure_says_what_where_and_what_to_do(connector_test):
    """A broken promise is told with its fact, what was found, where, and what to do; so is what does not apply."""
    done = connector_test()

    assert "FAILED (expected, paging): A further page is read." in done.output
    assert "what: 3 people\N{REPLACEMENT CHARACTER}[2J are missing" in done.output
    assert "where: Suite.test_lost_page_is_told, contract.py:7" in done.output
    assert "what to do: read lists with client.pages" in done.output
    assert "not applicable: nothing is asked over HTTP" in done.output
    assert "counts for no grade: test_own: it broke" in done.output
    assert "grade: required (wanted: required)" in done.output


@pytest.mark.parametrize(("grade", "code"), [("required", 0), ("expected", 1), ("exemplary", 1), ("perfect", 2)])
def test_exit_code_says_whether_the_grade_is_reached(connector_test, grade, code):
    """0 where the wanted grade is reached, 1 where not, 2 for a grade that does not exist."""
    assert connector_test("--grade", grade).exit_code == code


def test_scorecard_as_json(connector_test):
    """With --json all marks are printed, and whether the grade was reached."""
    found = json.loads(connector_test("--json", "--grade", "expected").output)

    assert (found["distribution"], found["wanted"], found["grade"]) == ("made-up", "expected", "required")
    assert found["reached"] is False
    assert [mark["outcome"] for mark in found["marks"]] == ["passed", "failed", "not applicable"]
    assert found["marks"][1]["remedy"].startswith("read lists with client.pages")
