"""The real presentations: every row once, over HTTP, against counts read from the tables themselves."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer, oulad

Walk = Callable[..., list[Any]]
STATES = {"state[]": ["completed", "inactive", "active"]}


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Read a table."""
    data = path.read_bytes()
    text = gzip.decompress(data).decode() if path.suffix == ".gz" else data.decode()
    yield from csv.DictReader(io.StringIO(text, newline=""))


@pytest.fixture(scope="module")
def tables(shared: Path) -> Path:
    """Give the folder of the dataset."""
    return shared / "oulad"


@pytest.fixture(scope="module")
def presentations(tables: Path) -> Iterator[CampusServer]:
    """Serve the presentations."""
    with CampusServer(oulad(tables), throttle=False) as running:
        yield running


@pytest.fixture
def own(presentations: CampusServer, connect: Callable[..., httpx.Client]) -> httpx.Client:
    """Speak to that campus."""
    return connect(presentations)


def key_of(course: dict[str, Any]) -> tuple[str, str]:
    """Return module and presentation of a course."""
    module, _, code = course["course_code"].partition("-")
    return module, code


@pytest.mark.slow
def test_every_row_once(tables: Path, presentations: CampusServer, own: httpx.Client, walk: Walk) -> None:
    """There are 32,593 enrolments and 173,912 submissions, as many per course as the tables have, each once."""
    students = Counter((r["code_module"], r["code_presentation"]) for r in rows(tables / "studentInfo.csv.gz"))
    owner = {r["id_assessment"]: (r["code_module"], r["code_presentation"]) for r in rows(tables / "assessments.csv")}
    results = Counter(owner[r["id_assessment"]] for r in rows(tables / "studentAssessment.csv.gz"))
    enrollments: set[int] = set()
    submissions: set[int] = set()
    for course in walk(own, "accounts/self/courses"):
        enrolled = [doc["id"] for doc in walk(own, f"courses/{course['id']}/enrollments", **STATES)]
        path = f"courses/{course['id']}/students/submissions"
        flat = [s["id"] for s in walk(own, path, **{"student_ids[]": "all"})]
        assert (len(enrolled), len(flat)) == (students[key_of(course)], results[key_of(course)])
        enrollments.update(enrolled)
        submissions.update(flat)

    assert (len(enrollments), len(submissions)) == (32_593, 173_912)


def test_one_presentation_in_full(tables: Path, own: httpx.Client, walk: Walk) -> None:
    """Scores, days, states and regions of one presentation are those of the tables."""
    course = own.get("/api/v1/courses/sis_course_id:AAA-2013J").json()
    base = f"courses/{course['id']}"
    assessments = {r["id_assessment"] for r in rows(tables / "assessments.csv") if _is_aaa(r)}
    expected = {
        (r["id_student"], r["id_assessment"], float(r["score"]) if r["score"] else None)
        for r in rows(tables / "studentAssessment.csv.gz")
        if r["id_assessment"] in assessments
    }
    sis = {doc["user_id"]: doc["sis_user_id"] for doc in walk(own, f"{base}/enrollments", **STATES)}
    groups = walk(own, f"{base}/students/submissions", **{"student_ids[]": "all", "grouped": "1"})
    found = {
        (sis[s["user_id"]], str(s["assignment_id"] - 20_000_000), s["score"]) for g in groups for s in g["submissions"]
    }

    assert found == expected
    assert course["start_at"] == "2013-10-01T00:00:00Z"
    assert {g["user_id"] for g in groups} == set(sis)


def _is_aaa(row: dict[str, str]) -> bool:
    return (row["code_module"], row["code_presentation"]) == ("AAA", "2013J")


def test_people_and_regions(tables: Path, own: httpx.Client, walk: Walk) -> None:
    """Withdrawn students are inactive, others completed; sections are regions; the result is the final grade."""
    course = own.get("/api/v1/courses/sis_course_id:AAA-2013J").json()
    infos = {r["id_student"]: r for r in rows(tables / "studentInfo.csv.gz") if _is_aaa(r)}
    sections = {s["id"]: s["name"] for s in walk(own, f"courses/{course['id']}/sections")}
    docs = walk(own, f"courses/{course['id']}/enrollments", **STATES)

    assert {doc["sis_user_id"] for doc in docs} == infos.keys()
    for doc in docs:
        info = infos[doc["sis_user_id"]]
        assert doc["enrollment_state"] == ("inactive" if info["final_result"] == "Withdrawn" else "completed")
        assert sections[doc["course_section_id"]] == info["region"]
        assert doc["grades"]["final_grade"] == info["final_result"]


def test_outline(tables: Path, own: httpx.Client, walk: Walk) -> None:
    """Assessments keep their weights in groups by type; every site is one item of the module of its week."""
    total = 0
    for course in walk(own, "accounts/self/courses"):
        modules = walk(own, f"courses/{course['id']}/modules")
        total += sum(module["items_count"] for module in modules)
    aaa = own.get("/api/v1/courses/sis_course_id:AAA-2013J").json()["id"]
    groups = walk(own, f"courses/{aaa}/assignment_groups", **{"include[]": "assignments"})
    modules = walk(own, f"courses/{aaa}/modules", **{"include[]": "items"})
    items = [item for module in modules for item in walk(own, f"courses/{aaa}/modules/{module['id']}/items")]

    assert total == sum(1 for _ in rows(tables / "vle.csv")) == 6_364
    assert {group["name"]: group["group_weight"] for group in groups} == {"TMA": 100.0, "Exam": 100.0}
    assert sum(len(group["assignments"]) for group in groups) == sum(
        _is_aaa(r) for r in rows(tables / "assessments.csv")
    )
    assert len({item["id"] for item in items}) == sum(_is_aaa(r) for r in rows(tables / "vle.csv"))


def test_all_have_ended(presentations: CampusServer, own: httpx.Client, walk: Walk) -> None:
    """All 22 presentations have ended, in four terms."""
    courses = walk(own, "accounts/self/courses", **{"include[]": "concluded"})

    assert len(courses) == 22
    assert all(course["concluded"] for course in courses)
    assert len({course["enrollment_term_id"] for course in courses}) == 4
    assert len(presentations.known["ended"]) == 22


def test_missing_table(tmp_path: Path) -> None:
    """A folder without the dataset is refused, naming what is missing."""
    with pytest.raises(FileNotFoundError, match="courses"):
        oulad(tmp_path)


def test_broken_table(tmp_path: Path) -> None:
    """A table without its columns, or with a short row, is refused with its place."""
    (tmp_path / "courses.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no column 'code_module'"):
        oulad(tmp_path)
    (tmp_path / "courses.csv").write_text("code_module,code_presentation,module_presentation_length\nAAA\n")
    with pytest.raises(ValueError, match="line 2"):
        oulad(tmp_path)
