"""A folder of packages as an LMS: ids, terms, sources, and what the check says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fakes.moodle_backup import MOODLE
from fakes.package_files import BLACKBOARD, BRIGHTSPACE, CANVAS_CARTRIDGE, PLAIN_CARTRIDGE, make_mbz, make_zip

from coursekeep import (
    CourseQuery,
    CourseSource,
    EndOf,
    GapReason,
    Kind,
    NoAccess,
    NotFound,
    Outcome,
    RetryLater,
    SourceContext,
)
from coursekeep.testing import collect
from coursekeep_connectors.csv import CsvSource
from coursekeep_connectors.end_date import EndDateSource
from coursekeep_connectors.ids import IdsSource
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings
from coursekeep_connectors.search import SearchSource
from coursekeep_connectors.terms import TermsSource
from coursekeep_daemon.settings import connector_settings, load_settings

T = TypeVar("T")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_mbz(tmp_path / "2023" / "backup.mbz", MOODLE)
    make_zip(tmp_path / "2024" / "canvas.imscc", CANVAS_CARTRIDGE)
    make_zip(tmp_path / "2024" / "named like a text.txt", PLAIN_CARTRIDGE)
    (tmp_path / "readme.txt").write_text("no package")
    return tmp_path


def ask(folder: Path, question: Callable[[PackagesConnector], Awaitable[T]], **settings: Any) -> T:
    async def main() -> T:
        async with PackagesConnector(PackagesSettings(path=folder, **settings)) as connector:
            return await question(connector)

    return asyncio.run(main())


def listed(folder: Path, ask_for: Callable[[PackagesConnector], AsyncIterator[T]]) -> list[T]:
    async def question(connector: PackagesConnector) -> list[T]:
        return [item async for item in ask_for(connector)]

    return ask(folder, question)


def ids(folder: Path, **query: Any) -> list[str]:
    return [course.id for course in listed(folder, lambda connector: connector.courses(CourseQuery(**query)))]


def test_content_decides_what_a_file_is(folder: Path) -> None:
    """Packages are found whatever they are called, and listed by their paths; other files are not."""
    assert ids(folder) == ["2023/backup.mbz", "2024/canvas.imscc", "2024/named like a text.txt"]


def test_folders_are_terms(folder: Path) -> None:
    """Each folder with packages is a term; a folder without is an unknown one."""
    assert [term.id for term in listed(folder, lambda connector: connector.terms())] == ["2023", "2024"]
    assert ids(folder, term_ids=["2023"]) == ["2023/backup.mbz"]
    with pytest.raises(NotFound, match="1999"):
        ids(folder, term_ids=["1999"])


def test_search_knows_titles_codes_and_file_names(folder: Path) -> None:
    """A search finds names, short names, SIS ids and paths, whatever their case."""
    assert ids(folder, text="BOTANY OF") == ["2024/canvas.imscc"]
    assert ids(folder, text="sis-9") == ["2023/backup.mbz"]
    assert ids(folder, text="like a text") == ["2024/named like a text.txt"]


def test_end_counts_where_it_is_known(folder: Path) -> None:
    """A course without end is taken at any moment; one with an end only after it; terms have none."""
    before = datetime(2024, 1, 1, tzinfo=UTC)
    assert ids(folder, ended_before=before) == ["2023/backup.mbz", "2024/named like a text.txt"]
    assert len(ids(folder, ended_before=before, ended_by=EndOf.TERM)) == 3


@pytest.mark.parametrize(
    ("source", "params", "found"),
    [
        (TermsSource(), {"terms": ["2024"]}, 2),
        (IdsSource(), {"ids": ["2023/backup.mbz", "sis:SIS-9", "2023/none.mbz"]}, 2),
        (SearchSource(), {"text": "botany"}, 3),
        (EndDateSource(), {"before": "2024-01-01"}, 2),
        (CsvSource(), {"text": "lms course id\n2024/canvas.imscc\n"}, 1),
    ],
    ids=["terms", "ids", "search", "end_date", "csv"],
)
def test_every_course_source_works(folder: Path, source: CourseSource[Any], params: dict[str, Any], found: int) -> None:
    """All five course sources find packages by their ids."""
    context = SourceContext(now=datetime.now(UTC))

    async def question(connector: PackagesConnector) -> int:
        read = source.Params.model_validate(params)
        picked = [one async for one in source.select(connector, read, context)]
        return sum(one.outcome is Outcome.FOUND and one.course is not None for one in picked)

    assert ask(folder, question) == found


@pytest.mark.parametrize(
    "id_", ["../outside.imscc", "/etc/passwd", "", "2024", "2024/../2023/backup.mbz", "a\0b", "%2e%2e/x"]
)
def test_id_that_leads_elsewhere_is_unknown(folder: Path, id_: str) -> None:
    """No id leads out of the folder, or to a file under another name than its own."""
    make_zip(folder.parent / "outside.imscc", PLAIN_CARTRIDGE)
    assert ask(folder, lambda connector: connector.course(id_)) is None


def test_links_are_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link to a package, or to a folder of them, is passed over."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    make_zip(elsewhere / "x.imscc", PLAIN_CARTRIDGE)
    (folder / "link.imscc").symlink_to(elsewhere / "x.imscc")
    (folder / "linked").symlink_to(elsewhere)

    assert not [id_ for id_ in ids(folder) if "link" in id_]
    assert ask(folder, lambda connector: connector.course("linked/x.imscc")) is None


def test_odd_names_have_ids_that_lead_back(folder: Path) -> None:
    """Names with percent signs, blanks at the end, control characters or broken encodings have ids of their own."""
    odd = [b"100%.imscc", b"caf\xe9.imscc", b"sis:1.imscc", b"end .imscc ", b"new\nline.imscc", b"%FF.imscc"]
    for name in odd:
        make_zip(folder / os.fsdecode(name), PLAIN_CARTRIDGE)
    found = ids(folder)

    assert len(set(found)) == 3 + len(odd)
    assert {"100%25.imscc", "caf%E9.imscc", "sis%3A1.imscc"} <= set(found)
    for id_ in found:
        course = ask(folder, lambda connector, id_=id_: connector.course(id_))  # type: ignore[misc]
        assert course is not None
        assert course.id == id_


def test_check_counts_formats_and_names_what_cannot_be_read(folder: Path) -> None:
    """The check counts packages by format and other files by reason, and fails for a package that is damaged."""
    make_zip(folder / "bb.zip", BLACKBOARD)
    (folder / "cut.imscc").write_bytes(b"PK\x03\x04 cut")
    steps = {step.name: step for step in listed(folder, lambda connector: connector.check())}

    assert steps["packages"].ok
    assert "2 × Common Cartridge" in steps["packages"].detail
    assert "1 × Blackboard package" in steps["packages"].detail
    assert "1 × neither a zip file nor a gzipped tar file" in steps["packages"].detail
    assert not steps["unreadable"].ok
    assert "cut.imscc" in steps["unreadable"].detail


def test_file_that_may_not_be_read_does_not_end_the_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that the daemon's user may not read is listed; archiving it raises `NoAccess`."""
    opened = Path.open

    def closed(self: Path, *more: Any, **options: Any) -> Any:
        if self.name == "canvas.imscc":
            raise PermissionError(13, "Permission denied")
        return opened(self, *more, **options)

    monkeypatch.setattr(Path, "open", closed)
    courses = {course.id: course for course in listed(folder, lambda connector: connector.courses(CourseQuery()))}

    assert courses["2024/canvas.imscc"].state == "unreadable"
    assert courses["2023/backup.mbz"].state == "moodle_backup"
    with pytest.raises(NoAccess, match="Permission denied"):
        ask(folder, lambda connector: collect(connector, courses["2024/canvas.imscc"]))


def test_file_that_changes_while_it_is_read_is_read_again(folder: Path) -> None:
    """An export during which the file changed does not count: `RetryLater` has it repeated."""

    async def question(connector: PackagesConnector) -> None:
        course = await connector.course("2023/backup.mbz")
        assert course is not None
        async for _ in connector.export(course):
            os.utime(folder / course.id, ns=(1, 1))

    with pytest.raises(RetryLater, match="changed"):
        ask(folder, question)


@pytest.mark.parametrize(
    ("entries", "name", "kind"), [(BLACKBOARD, "Ecology", Kind.PAGES), (BRIGHTSPACE, "Geology", Kind.QUIZZES)]
)
def test_foreign_packages_are_described_and_kept_whole(tmp_path: Path, entries: Any, name: str, kind: Kind) -> None:
    """Of Blackboard and Brightspace come title and outline; the rest is named, type by type."""
    make_zip(tmp_path / "x.zip", entries)

    async def question(connector: PackagesConnector) -> Any:
        course = await connector.course("x.zip")
        assert course is not None
        return course, await collect(connector, course)

    course, export = ask(tmp_path, question)
    assert course.name == name
    assert export.of(Kind.STRUCTURE)
    assert [gap.reason for gap in export.gaps_of(kind)] == [GapReason.NATIVE_ONLY]
    assert [native.name for native in export.native] == ["x.zip"]


def test_path_is_relative_to_the_settings_file(tmp_path: Path) -> None:
    """`path` starts from the folder of settings.toml, not from where the daemon was started."""
    (tmp_path / "settings.toml").write_text('[integrations.disk]\nconnector = "packages"\npath = "exports"\n')
    settings = connector_settings(load_settings(tmp_path / "settings.toml"), "disk", PackagesSettings)

    assert isinstance(settings, PackagesSettings)
    assert settings.folder == tmp_path / "exports"
