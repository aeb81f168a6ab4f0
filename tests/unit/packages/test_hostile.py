"""Packages that no LMS made are refused with a true reason, in bounded memory, and harm nothing else."""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from fakes.hostile_packages import HOSTILE, many_entries_tar, many_entries_zip
from fakes.moodle_backup import MOODLE
from fakes.package_export import course_of, export_of, read_file
from fakes.package_files import CANVAS_CARTRIDGE, PLAIN_CARTRIDGE, make_mbz, make_zip

from coursekeep import CourseQuery, GapReason, Kind, MalformedAnswer
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_package_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    """The export of a hostile package raises `MalformedAnswer`, which names the file and what is wrong with it."""
    make, reason = HOSTILE[name]
    make(tmp_path / name)

    with pytest.raises(MalformedAnswer, match=reason):
        export_of(tmp_path / name)


def test_hostile_packages_do_not_end_the_list(tmp_path: Path) -> None:
    """Among hostile packages the good one is found, and the hostile ones are listed, to fail one by one."""
    for name, (make, _) in HOSTILE.items():
        make(tmp_path / name)
    make_zip(tmp_path / "good.imscc", PLAIN_CARTRIDGE)

    async def main() -> dict[str, str | None]:
        async with PackagesConnector(PackagesSettings(path=tmp_path)) as connector:
            return {course.id: course.state async for course in connector.courses(CourseQuery())}

    found = asyncio.run(main())
    assert found["good.imscc"] == "common_cartridge"
    assert {name for name in HOSTILE if name.endswith(".imscc")} <= set(found)
    assert {found[name] for name in HOSTILE if name.endswith(".imscc")} == {"unreadable"}


@pytest.mark.parametrize("make", [many_entries_zip, many_entries_tar])
def test_million_entries_are_refused_in_little_memory(tmp_path: Path, make: Callable[[Path, int], Path]) -> None:
    """A package of very many entries is refused by their number before they fill the memory."""
    path = make(tmp_path / "many.zip", 120_000)
    tracemalloc.start()

    with pytest.raises(MalformedAnswer, match="max_entries"):
        export_of(path, max_entries=50_000)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_package_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    """The sum of what a package unpacks to is limited, in zip and tar."""
    for path in (make_zip(tmp_path / "a.imscc", PLAIN_CARTRIDGE), make_mbz(tmp_path / "a.mbz", MOODLE)):
        with pytest.raises(MalformedAnswer, match="max_unpacked"):
            export_of(path, max_unpacked=1000)


def test_size_that_lies_costs_the_file_alone(tmp_path: Path) -> None:
    """An entry with fewer bytes than its directory says fails while it is read; others are read."""
    path = make_zip(tmp_path / "lie.imscc", PLAIN_CARTRIDGE)
    data = bytearray(path.read_bytes())
    listed = data.rindex(b"notes.txt") - 46
    data[listed + 24 : listed + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(bytes(data))

    export = export_of(path)
    files = {file.id: file for file in export.files}
    with pytest.raises(MalformedAnswer, match=r"notes\.txt"):
        read_file(tmp_path, files["notes.txt"])
    assert read_file(tmp_path, files["img/x.png"]) == PLAIN_CARTRIDGE["img/x.png"]


def test_damaged_entry_costs_the_file_alone(tmp_path: Path) -> None:
    """An entry whose checksum is wrong fails while it is read; the export goes on."""
    path = make_zip(tmp_path / "bad.imscc", {**PLAIN_CARTRIDGE, "big.bin": b"x" * 1000})
    data = bytearray(path.read_bytes())
    listed = data.rindex(b"big.bin") - 46
    data[listed + 16] ^= 0xFF
    path.write_bytes(bytes(data))

    files = {file.id: file for file in export_of(path).files}
    with pytest.raises(MalformedAnswer, match="damaged"):
        read_file(tmp_path, files["big.bin"])


def test_archive_in_a_package_stays_a_file(tmp_path: Path) -> None:
    """Archives inside are never opened: whatever they hold, they are files."""
    inner = make_zip(tmp_path / "inner" / "x.zip", {"../../escape": "x"}).read_bytes()
    export = export_of(make_zip(tmp_path / "outer.imscc", {**PLAIN_CARTRIDGE, "inner.zip": inner}))

    assert "inner.zip" in {file.id for file in export.files}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<!DOCTYPE t SYSTEM "file:///etc/passwd"><topic/>', "document types"),
        ('<!DOCTYPE t [<!ENTITY x SYSTEM "http://127.0.0.1:9/">]><topic>&x;</topic>', "document types"),
        ('<?xml version="1.0" encoding="klingon"?><topic/>', "encoding"),
        ("<topic>" + "<a>" * 3000, "max_depth"),
        ("", "not well-formed"),
    ],
)
def test_hostile_document_costs_itself_alone(tmp_path: Path, content: str, reason: str) -> None:
    """A document with entities, an unknown encoding or endless depth is a gap; the others are read."""
    bad: Mapping[str, str | bytes] = {**PLAIN_CARTRIDGE, "d1.xml": content}
    export = export_of(make_zip(tmp_path / "x.imscc", bad))

    (gap,) = export.gaps_of(Kind.DISCUSSIONS)
    assert gap.reason is GapReason.MALFORMED
    assert reason in gap.detail
    assert export.of(Kind.PAGES)


def test_element_larger_than_allowed_is_a_gap(tmp_path: Path) -> None:
    """One element of more bytes than max_document is a gap of its document, however large the document may be."""
    users = "<users>" + "".join(f'<user id="{n}"><firstname>{"x" * 1000}</firstname></user>' for n in range(3000))
    large = {**MOODLE, "users.xml": users + "</users>"}
    assert len(export_of(make_mbz(tmp_path / "a.mbz", large), max_document=2**20).of(Kind.PEOPLE)) == 3000

    huge = {**MOODLE, "users.xml": f'<users><user id="1"><firstname>{"x" * 3 * 2**20}</firstname></user></users>'}
    (gap, *_) = export_of(make_mbz(tmp_path / "b.mbz", huge), max_document=2**20).gaps_of(Kind.PEOPLE)
    assert (gap.reason, gap.id) == (GapReason.MALFORMED, "users.xml")


@pytest.mark.parametrize(
    "bomb",
    [
        "<topic>" + "<a/>" * 300_000 + "</topic>",
        "<topic>" + "<a>" + "<b/>" * 300_000 + "</a></topic>",
        "<topic " + " ".join(f'a{n}=">"' for n in range(300_000)) + "/>",
        ("<topic " + " ".join(f"a{n}='>'" for n in range(300_000)) + "/>").encode("utf-16"),
    ],
    ids=["elements", "nested", "attributes", "utf16"],
)
def test_document_that_swells_in_memory_is_a_gap(tmp_path: Path, bomb: str | bytes) -> None:
    """Empty elements and attributes take many times their bytes in memory: their number is limited too."""
    bad: Mapping[str, str | bytes] = {**PLAIN_CARTRIDGE, "d1.xml": bomb}
    (gap,) = export_of(make_zip(tmp_path / "x.imscc", bad), max_document=16 * 2**20).gaps_of(Kind.DISCUSSIONS)

    assert gap.reason is GapReason.MALFORMED
    assert "that max_document allows" in gap.detail


def test_properties_between_lists_are_counted(tmp_path: Path) -> None:
    """What is kept of an activity is limited also where long lists, which are not kept, lie between."""
    part = f"<x>{'y' * 100_000}</x><list><i/></list>"
    bad = {**MOODLE, "activities/url_97/url.xml": f"<activity><url>{part * 30}</url></activity>"}
    export = export_of(make_mbz(tmp_path / "x.mbz", bad), max_document=2**20)

    assert [gap.id for gap in export.gaps_of(Kind.STRUCTURE) if gap.reason is GapReason.MALFORMED] == [
        "activities/url_97"
    ]


def test_page_of_open_tags_is_read_at_once(tmp_path: Path) -> None:
    """A page that opens tags without end takes no longer than its length: the other courses wait for nothing."""
    tags = "<title" * 200_000 + "<body" * 200_000
    canvas = {**CANVAS_CARTRIDGE, "wiki_content/ferns.html": tags, "a1/essay.html": "<title>" * 200_000}
    began = time.process_time()
    export = export_of(make_zip(tmp_path / "x.imscc", canvas))

    assert export.of(Kind.PAGES)["g1"] | {"title": None, "body_html": tags} == export.of(Kind.PAGES)["g1"]
    assert time.process_time() - began < 20


def test_names_that_are_no_text_are_kept_apart(tmp_path: Path) -> None:
    """Entries whose names are no UTF-8 have names all the same, and stay different entries."""
    mbz = {**MOODLE, os.fsdecode(b"caf\xe9"): b"1", os.fsdecode(b"caf\xe8"): b"2"}
    files = {file.id for file in export_of(make_mbz(tmp_path / "a.mbz", mbz)).files}

    assert {r"caf\xe9", r"caf\xe8"} <= files


def test_file_that_is_no_package_fails_with_what_it_is(tmp_path: Path) -> None:
    """A zip file that is none of the formats is no course, and says so where it is asked for."""
    path = make_zip(tmp_path / "photos.zip", {"a.jpg": "x"})
    course = course_of(path)

    assert course is not None
    assert course.state == "no_package"
    with pytest.raises(MalformedAnswer, match="no course package: a zip file of 1 entries"):
        export_of(path)
