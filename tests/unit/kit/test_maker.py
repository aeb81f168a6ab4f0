"""What can be made of a name, a title and a place; what cannot is said, and leaves no trace."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from fakes.cli_process import coursekeep

from coursekeep_daemon.kit import KitError, make_connector, maker, plan_connector


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("My-LMS", "for example my_lms"),
        ("7up", "a letter first"),
        ("", "cannot be the name"),
        ("../evil", "for example evil"),
        ("a__b", "for example a_b"),
        ("x" * 25, "up to 24"),
        ("grün", "for example gr_n"),
        ("class", "Python's own"),
        ("match", "Python's own"),
        ("json", "Python's own"),
        ("canvas", "there is a connector 'canvas' already"),
        ("campus", "there is a package coursekeep_campus already"),
        ("daemon", "there is a package coursekeep_daemon already"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, says: str) -> None:
    """The message names the fault and what to write instead; nothing is made."""
    with pytest.raises(KitError, match=re.escape(says)):
        plan_connector(name, title=None, folder=tmp_path / "new", taken=["canvas"])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("title", ["", "x" * 41, 'quo"te', "back\\slash", "two\nlines", "{{ 7 * 7 }}", "_x", "-x"])
def test_a_title_that_source_code_cannot_hold_is_refused(tmp_path: Path, title: str) -> None:
    """A title stands in Python, TOML and Markdown, and in none of them does it mean anything."""
    with pytest.raises(KitError, match="the title"):
        plan_connector("good", title=title, folder=tmp_path / "new", taken=[])


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    """A folder with a file in it, a file, and a link are left alone."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    for name in ("full", "file", "link"):
        with pytest.raises(KitError, match="--directory"):
            plan_connector("good", title=None, folder=tmp_path / name, taken=[])
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """A new folder and an empty one become the same; folders above are made, and nothing else is left beside it."""
    (tmp_path / "empty").mkdir()
    made = [
        make_connector(plan_connector("good", title=None, folder=folder, taken=[]))
        for folder in (tmp_path / "empty", tmp_path / "a" / "new")
    ]

    assert [path.relative_to(tmp_path / "empty") for path in made[0]] == [
        path.relative_to(tmp_path / "a" / "new") for path in made[1]
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "empty"]
    assert (tmp_path / "a" / "new" / "coursekeep_good" / "py.typed").exists()
    assert (tmp_path / "empty").stat().st_mode & 0o777 == (tmp_path / "a").stat().st_mode & 0o777


def test_nothing_of_the_template_is_left_in_what_it_makes(tmp_path: Path) -> None:
    """Every name is filled in, in paths and in text, but for the one that a CI service fills in itself."""
    for path in make_connector(plan_connector("good", title="Good LMS", folder=tmp_path / "new", taken=[])):
        text = path.read_text(encoding="utf-8").replace("${{ matrix.python }}", "")
        assert "{{" not in f"{path}{text}", path
        assert not path.name.endswith(".jinja")


def test_what_a_daemon_leaves_in_the_folder_is_not_published(tmp_path: Path) -> None:
    """Archive, store and settings of a daemon that was tried there are in neither git nor the sdist."""
    made = tmp_path / "made"
    make_connector(plan_connector("slate", title=None, folder=made, taken=[]))
    for name, text in (("archive/student.jsonl", "a person"), ("data/coursekeep.db", "x"), ("settings.toml", "")):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(text)
    ignored = (made / ".gitignore").read_text()
    (made / ".gitignore").unlink()  # the sdist does not depend on git
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist"]
    subprocess.run(build, cwd=made, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    (sdist,) = (made / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {"coursekeep_slate/settings.py", "pyproject.toml"} <= names
    assert not names & {"archive/student.jsonl", "data/coursekeep.db", "settings.toml"}
    assert {"/archive/", "/data/", "/settings.toml"} <= set(ignored.splitlines())


def test_a_failure_while_making_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full in the middle, the empty folder is as it was, and nothing is left beside it."""

    def render(draft: object, into: Path) -> None:
        into.mkdir()
        (into / "half").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(maker, "_render", render)
    (tmp_path / "empty").mkdir()

    with pytest.raises(KitError, match="No space left"):
        make_connector(plan_connector("good", title=None, folder=tmp_path / "empty", taken=[]))
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    """`new-connector` prints the folder and what to do next; a second time it refuses with exit code 2."""

    async def main() -> None:
        place = str(tmp_path / "mine")
        done = await coursekeep("new-connector", "mine", "--directory", place)
        again = await coursekeep("new-connector", "mine", "--directory", place, "--json")

        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"{place}: 13 files, of the distribution coursekeep-mine\n")
        assert (again.code, len(again.err.splitlines())) == (2, 1)
        assert "is not empty" in again.err

    asyncio.run(main())
