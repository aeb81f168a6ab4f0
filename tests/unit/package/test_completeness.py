"""Completeness: numbers that add up, or a difference that is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fakes.package_kit as kit
import pytest

from coursekeep import Expected, Gap, GapReason, Kind, Part, Record


def captured(tmp_path: Path, *these: Part) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Write these parts; return completeness.json, gaps.jsonl and the course's status."""
    archive = kit.new_archive(tmp_path / "archive")
    done = kit.write(archive, these)
    numbers = json.loads(kit.content(archive, done, "completeness.json").read_bytes())
    gaps = [json.loads(line) for line in kit.content(archive, done, "gaps.jsonl").read_text().splitlines()]
    return numbers, gaps, done.completeness


def person(number: int) -> Record:
    return Record(kind=Kind.PEOPLE, id=str(number), data={})


def test_what_adds_up_is_complete(tmp_path: Path) -> None:
    """As many as expected, from several statements, and no gap: complete."""
    numbers, gaps, status = captured(
        tmp_path,
        person(1),
        person(2),
        Expected(kind=Kind.PEOPLE, count=1, basis="students"),
        Expected(kind=Kind.PEOPLE, count=1, basis="teachers"),
    )

    people = numbers["kinds"]["people"]
    assert (people["expected"], people["captured"], people["gaps"], people["status"]) == (2, 2, 0, "complete")
    assert people["basis"] == ["students", "teachers"]
    assert (status, gaps) == ("complete", [])


def test_zero_of_zero_is_complete(tmp_path: Path) -> None:
    """A kind of which the LMS says that there is none is complete, and not the same as one nobody asked for."""
    numbers, _, status = captured(tmp_path, Expected(kind=Kind.BADGES, count=0))

    assert numbers["kinds"]["badges"]["status"] == "complete"
    assert numbers["kinds"]["quizzes"]["status"] == "not-supported"
    assert status == "complete"


def test_a_named_gap_makes_the_kind_partial(tmp_path: Path) -> None:
    """Expected is captured plus gaps; the course is partial."""
    numbers, gaps, status = captured(
        tmp_path, person(1), Expected(kind=Kind.PEOPLE, count=2), Gap(kind=Kind.PEOPLE, id="2", reason=GapReason.LOCKED)
    )

    people = numbers["kinds"]["people"]
    assert people["expected"] == people["captured"] + people["gaps"]
    assert (people["status"], people["reasons"], status) == ("partial", {"locked": 1}, "partial")
    assert [gap["id"] for gap in gaps] == ["2"]


def test_a_difference_nobody_explained_becomes_a_gap(tmp_path: Path) -> None:
    """Where the LMS counts more than arrived and was named missing, the framework names the difference itself."""
    numbers, gaps, status = captured(
        tmp_path, person(1), Expected(kind=Kind.PEOPLE, count=5), Gap(kind=Kind.PEOPLE, id="2", reason=GapReason.LOCKED)
    )

    people = numbers["kinds"]["people"]
    assert people["expected"] == people["captured"] + people["gaps"] == 5
    assert {gap["reason"]: gap["count"] for gap in gaps} == {"locked": 1, "unexplained": 3}
    assert (people["status"], status) == ("partial", "partial")


def test_more_than_expected_is_stated_and_never_called_complete(tmp_path: Path) -> None:
    """Captured beyond the expected number is a surplus, kept and shown."""
    numbers, _, status = captured(tmp_path, person(1), person(2), Expected(kind=Kind.PEOPLE, count=1))

    people = numbers["kinds"]["people"]
    assert people["expected"] == people["captured"] + people["gaps"] - people["surplus"]
    assert (people["surplus"], people["status"], status) == (1, "partial", "partial")
    assert "1 more than the LMS counted" in people["remark"]


def test_records_without_a_stated_number_are_not_called_complete(tmp_path: Path) -> None:
    """Nobody said how many there should be, so nothing proves that these are all."""
    numbers, _, status = captured(tmp_path, person(1))

    assert (numbers["kinds"]["people"]["expected"], numbers["kinds"]["people"]["status"]) == (None, "partial")
    assert status == "partial"


def test_a_gap_of_unknown_size_makes_the_kind_partial(tmp_path: Path) -> None:
    """A gap that misses nobody knows how many accounts for the difference, without a made-up number."""
    numbers, gaps, status = captured(
        tmp_path,
        person(1),
        Expected(kind=Kind.PEOPLE, count=9),
        Gap(kind=Kind.PEOPLE, reason=GapReason.NO_ACCESS, count=None),
    )

    people = numbers["kinds"]["people"]
    assert (people["gaps"], people["gaps_of_unknown_size"], people["status"], status) == (0, 1, "partial", "partial")
    assert [gap["reason"] for gap in gaps] == ["no_access"]


def test_a_part_of_a_record_that_is_missing_makes_the_kind_partial(tmp_path: Path) -> None:
    """A gap of count 0 keeps the numbers as they are, but not the word complete."""
    numbers, _, _ = captured(
        tmp_path,
        person(1),
        Expected(kind=Kind.PEOPLE, count=1),
        Gap(kind=Kind.PEOPLE, id="1", reason=GapReason.NO_ACCESS, count=0),
    )

    assert (numbers["kinds"]["people"]["captured"], numbers["kinds"]["people"]["status"]) == (1, "partial")


def test_a_kind_that_cannot_be_read_at_all_is_unavailable(tmp_path: Path) -> None:
    """Nothing captured and a gap for the kind as a whole: unavailable."""
    numbers, _, _ = captured(tmp_path, Gap(kind=Kind.QUIZZES, reason=GapReason.NOT_OFFERED, count=None))

    assert numbers["kinds"]["quizzes"]["status"] == "unavailable"


def test_a_course_of_which_nothing_was_said_is_not_complete(tmp_path: Path) -> None:
    """A connector that yields nothing leaves a partial package, not a complete one."""
    _, _, status = captured(tmp_path)

    assert status == "partial"


def test_files_are_counted_by_their_bytes(tmp_path: Path) -> None:
    """A file described but not fetched is a gap, not a captured file."""
    numbers, gaps, _ = captured(tmp_path, *kit.parts())

    files = numbers["kinds"]["files"]
    assert (files["expected"], files["captured"], files["gaps"], files["status"]) == (4, 3, 1, "partial")
    assert [(gap["kind"], gap["id"], gap["reason"]) for gap in gaps] == [("files", "24", "locked")]


def test_the_same_gap_named_twice_counts_once(tmp_path: Path) -> None:
    """One missing object, met on two ways, is one missing object."""
    gap = Gap(kind=Kind.PEOPLE, id="2", reason=GapReason.LOCKED)

    numbers, gaps, _ = captured(tmp_path, person(1), gap, gap, Expected(kind=Kind.PEOPLE, count=2))

    assert (numbers["kinds"]["people"]["gaps"], len(gaps)) == (1, 1)


def test_unequal_twins_keep_the_last_and_are_named(tmp_path: Path) -> None:
    """Two different records of one id are one record, and a gap says so; equal twins are no matter."""
    twin = Record(kind=Kind.PEOPLE, id="1", data={"name": "Later"})

    numbers, gaps, _ = captured(tmp_path, person(1), person(1), twin, Expected(kind=Kind.PEOPLE, count=1))

    people = numbers["kinds"]["people"]
    assert (people["captured"], people["status"]) == (1, "partial")
    assert [(gap["id"], gap["count"], gap["reason"]) for gap in gaps] == [("1", 0, "malformed")]


@pytest.mark.parametrize(
    "part", [Expected(kind=Kind.PEOPLE, count=-1), Gap(kind=Kind.PEOPLE, reason=GapReason.LOCKED, count=-1)]
)
def test_negative_numbers_are_refused(tmp_path: Path, part: Part) -> None:
    """A number below zero is a fault of the connector, and is refused."""
    with pytest.raises(ValueError, match="-1"):
        captured(tmp_path, part)
