"""Common Cartridges as courses, and packages that must be refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer, cartridges

Walk = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def shelf(shared: Path) -> Iterator[CampusServer]:
    """Serve all cartridges of the shared data."""
    with CampusServer(cartridges(shared / "cartridges"), throttle=False) as running:
        yield running


@pytest.fixture
def own(shelf: CampusServer, connect: Callable[..., httpx.Client]) -> httpx.Client:
    """Speak to that campus."""
    return connect(shelf)


def number_of(shelf: CampusServer, name: str) -> int:
    """Find a course by its file's name."""
    return next(course.id for course in shelf.campus.courses.values() if (course.sis_id or "").endswith(name))


def test_every_cartridge_is_a_course(shelf: CampusServer, shared: Path) -> None:
    """Every cartridge of the tree is one ended course; Moodle's backups are none."""
    packages = [p for p in (shared / "cartridges").rglob("*") if p.suffix in (".imscc", ".zip")]

    assert len(shelf.campus.courses) == len(shelf.known["ended"]) == len(packages) == 14


def test_textbook(shelf: CampusServer, own: httpx.Client, walk: Walk) -> None:
    """A textbook's chapters are pages with their bodies whole, up to megabytes."""
    course = number_of(shelf, "chem139-oer.imscc")
    pages = walk(own, f"courses/{course}/pages")
    sizes = [len(own.get(f"/api/v1/courses/{course}/pages/{page['url']}").json()["body"]) for page in pages]

    assert len(pages) == 14
    assert max(sizes) > 1_500_000


def test_questions(shelf: CampusServer, own: httpx.Client, walk: Walk) -> None:
    """Questions of every type come with type, text, answers and group."""
    course = number_of(shelf, "all-question-types.imscc")
    quiz = walk(own, f"courses/{course}/quizzes")[0]
    questions = walk(own, f"courses/{course}/quizzes/{quiz['id']}/questions")
    choice = next(q for q in questions if q["question_type"] == "multiple_choice_question")

    assert len({q["question_type"] for q in questions}) == len(questions) == 10
    assert [(a["text"], a["weight"]) for a in choice["answers"]] == [("1", 0), ("2", 0), ("3", 100), ("4", 0)]
    assert choice["correct_comments"] == "<p>nice job</p>"
    assert own.get(f"/api/v1/courses/{course}/quizzes/{quiz['id']}/groups/{choice['quiz_group_id']}").status_code == 200


def test_outline(shelf: CampusServer, own: httpx.Client, walk: Walk) -> None:
    """Modules follow the package's outline and point to what it became here."""
    course = number_of(shelf, "course-1.imscc")
    modules = walk(own, f"courses/{course}/modules", **{"include[]": "items"})
    kinds = {item["type"] for item in modules[0]["items"]}
    link = next(item for item in modules[0]["items"] if item["type"] == "ExternalUrl")

    assert modules[0]["name"] == "First Module"
    assert {"Assignment", "Quiz", "Page", "Discussion", "SubHeader", "File"} <= kinds
    assert link["external_url"] == "http://google.com"


def test_links_and_tools(shelf: CampusServer, own: httpx.Client, walk: Walk) -> None:
    """A course of links has 131 addresses and 58 tools."""
    course = number_of(shelf, "py4e.imscc")
    modules = walk(own, f"courses/{course}/modules", **{"include[]": "items"})
    items = [item for module in modules for item in module["items"]]

    assert sum(item["type"] == "ExternalUrl" for item in items) == 131
    assert sum(item["type"] == "ExternalTool" for item in items) == 58
    assert all(item["external_url"].startswith("http") for item in items)


def test_talk_and_files(shelf: CampusServer, own: httpx.Client, walk: Walk, shared: Path) -> None:
    """Discussions keep attachments, announcements are told apart, files keep folders, names and bytes."""
    discussion = walk(own, f"courses/{number_of(shelf, 'single-discussion.imscc')}/discussion_topics")[0]
    news = number_of(shelf, "canvas_announcement.zip")
    course = number_of(shelf, "ally-accessibility-workshop.imscc")
    files = walk(own, f"courses/{course}/files")
    folders = {folder["id"]: folder["full_name"] for folder in walk(own, f"courses/{course}/folders")}
    icon = next(f for f in files if f["display_name"] == "Hamburger_Icon.png")
    bytes_ = (
        own.get(icon["url"], follow_redirects=True)
        if "verifier" not in icon["url"]
        else httpx.get(icon["url"], follow_redirects=True)
    )
    with zipfile.ZipFile(shared / "cartridges/open-content/ally-accessibility-workshop.imscc") as package:
        original = package.read("web_resources/Course Files/Images/Hamburger_Icon.png")

    assert [a["display_name"] for a in discussion["attachments"]] == ["preferences-color.png"]
    assert len(walk(own, f"courses/{news}/discussion_topics", only_announcements="1")) == 1
    assert len(files) == 26
    assert folders[icon["folder_id"]] == "course files/Course Files/Images"
    assert bytes_.content == original


def test_rubric(shelf: CampusServer, own: httpx.Client, walk: Walk) -> None:
    """Rubrics keep criteria, ratings and points."""
    rubric = walk(own, f"courses/{number_of(shelf, 'assignment-rubrics.imscc')}/rubrics")[0]

    assert rubric["points_possible"] == 5.0
    assert [rating["points"] for rating in rubric["data"][0]["ratings"]] == [5.0, 0.0]


def package(folder: Path, **members: str) -> Path:
    """Write a cartridge with these members beside its manifest."""
    with zipfile.ZipFile(folder / "bad.imscc", "w") as archive:
        for name, text in {"imsmanifest.xml": "<manifest/>", **members}.items():
            archive.writestr(name, text)
    return folder


@pytest.mark.parametrize("name", ["../escape.txt", "/absolute.txt", "a/../../b", "..\\windows", "C:/x"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    """A member whose name leads out of the package is refused by name."""
    with pytest.raises(ValueError, match="leads out of the package"):
        cartridges(package(tmp_path, **{name: "x"}))


def test_entities(tmp_path: Path) -> None:
    """A manifest with a document type is refused before it is parsed."""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><manifest>&b;</manifest>'

    with pytest.raises(ValueError, match="not allowed"):
        cartridges(package(tmp_path, **{"imsmanifest.xml": bomb}))


def test_no_xml(tmp_path: Path) -> None:
    """A manifest that is no XML is refused with its place."""
    with pytest.raises(ValueError, match=r"bad\.imscc: imsmanifest\.xml: not well-formed"):
        cartridges(package(tmp_path, **{"imsmanifest.xml": "<manifest>"}))


def test_symbolic_links(tmp_path: Path) -> None:
    """A member that is a symbolic link is refused."""
    with zipfile.ZipFile(tmp_path / "bad.imscc", "w") as archive:
        archive.writestr("imsmanifest.xml", "<manifest/>")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")

    with pytest.raises(ValueError, match="is a link"):
        cartridges(tmp_path)


def test_zip_that_is_no_cartridge(tmp_path: Path) -> None:
    """A zip without a manifest is left out."""
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "x")

    assert cartridges(tmp_path).courses == {}


def test_no_folder(tmp_path: Path) -> None:
    """A folder that does not exist is refused by name."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        cartridges(tmp_path / "nowhere")
