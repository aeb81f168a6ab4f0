"""A package as others find it: valid for independent judges, the same bytes every time, and readable."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import fakes.package_kit as kit
import jsonschema
import pytest

from coursekeep import (
    ALWAYS,
    Expected,
    Gap,
    GapReason,
    Kind,
    NativeExport,
    Part,
    RawPage,
    Record,
    RemoteFile,
)
from coursekeep_daemon.package import (
    Archive,
    OtherSource,
    PackageBusy,
    PackageError,
    RecordRefused,
    WrongContent,
    WrongSize,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return kit.new_archive(tmp_path / "archive")


def test_third_party_judges_accept_every_version(archive: Archive, tmp_path: Path) -> None:
    """ocfl-py accepts root and object; bagit.py accepts v1 as it lies and every version extracted."""
    done = kit.write(archive)
    kit.write(archive, kit.parts(grade=90.0))
    archive.log_event(done.object_id, "fixity", {"valid": True})

    kit.judge_root(archive.root)
    kit.judge_object(archive.root / done.path)
    kit.judge_bag(archive.root / done.path / "v1" / "content")
    for version in (1, 2):
        archive.extract(done.object_id, version, tmp_path / f"v{version}")
        kit.judge_bag(tmp_path / f"v{version}")


def test_an_idle_archive_holds_nothing_but_ocfl(archive: Archive) -> None:
    """When nobody writes, the working place is gone, and ocfl-py warns of no unknown extension."""
    kit.write(archive)
    archive.check_writable()

    assert "W901" not in kit.judge_root(archive.root)
    assert [path.name for path in (archive.root / "extensions").iterdir()] == [
        "0003-hash-and-id-n-tuple-storage-layout"
    ]


def test_the_root_is_valid_while_a_package_is_being_written(archive: Archive) -> None:
    """What is staged does not make the storage root invalid for others who look at it meanwhile."""
    kit.write(archive)
    with archive.writer(replace(kit.COURSE, id="102"), kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts())

        kit.judge_root(archive.root)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_course_gives_the_same_bytes_in_any_order(tmp_path: Path, seed: int) -> None:
    """Two archives that take the same parts in different order hold the same files, byte for byte."""
    found = []
    for name, these in (("one", kit.parts()), ("two", kit.shuffled(kit.parts(), seed))):
        archive = kit.new_archive(tmp_path / name)
        kit.write(archive, these)
        found.append(kit.stored(archive.root))

    assert found[0] == found[1]


def test_an_unchanged_course_makes_no_version(archive: Archive) -> None:
    """A second capture of the same course, at another time by another run, is a line in logs/ and nothing else."""
    first = kit.write(archive)
    before = kit.stored(archive.root / first.path)
    later = kit.new_archive(archive.root, clock=lambda: kit.NOW + timedelta(days=30))

    second = kit.write(later, kit.shuffled(kit.parts(), 1), run_id=8, item_id=80)

    after = kit.stored(archive.root / first.path)
    assert (second.changed, second.version, second.payload_bytes) == (False, 1, first.payload_bytes)
    assert second.created_at == first.created_at
    line = json.loads(after.pop("logs/captures.jsonl"))
    assert (line["outcome"], line["run"], line["at"]) == ("unchanged", 8, "2026-10-01T12:00:00Z")
    assert after == before


def test_a_new_version_stores_only_what_changed(archive: Archive) -> None:
    """A late grade change stores two record files and what describes the version; everything else stays in v1."""
    done = kit.write(archive)
    kit.write(archive, kit.parts(grade=90.0), run_id=8)

    assert sorted(kit.stored(archive.root / done.path / "v2" / "content")) == [
        "bag-info.txt",
        "data/README.txt",
        "data/provenance/events.jsonl",
        "data/records/grades.jsonl",
        "data/records/submissions.jsonl",
        "data/ro-crate-metadata.json",
        "data/ro-crate-preview.html",
        "manifest-sha512.txt",
        "tagmanifest-sha512.txt",
    ]


def test_a_renamed_or_deleted_file_costs_no_bytes(archive: Archive) -> None:
    """A file that changed its name is stored once; one that vanished stays in the version that had it."""
    done = kit.write(archive)
    these = [
        replace(part, name="renamed.txt") if isinstance(part, RemoteFile) and part.id == "22" else part
        for part in kit.parts()
        if not (isinstance(part, RemoteFile) and part.id == "21")
    ]

    kit.write(archive, these)

    v2 = kit.stored(archive.root / done.path / "v2" / "content")
    assert not [path for path in v2 if path.startswith("data/files/")]
    assert kit.content(archive, done, "files/course/21/Tide tables_ 2026_27.pdf").is_file()
    assert archive.verify(done.object_id).valid


def test_a_gap_that_closes_makes_a_version(archive: Archive) -> None:
    """A partial capture is kept, and a later one that gets the missing file is a new version."""
    first = kit.write(archive)
    second = kit.write(archive, files={**kit.FILES, "24": b"exam"})

    assert (first.completeness, first.gaps) == ("partial", 1)
    assert (second.completeness, second.gaps, second.version) == ("complete", 0, 2)
    head = archive.head(first.object_id)
    assert head is not None
    assert (head.version, head.completeness, head.gaps) == (2, "complete", 0)


def test_the_head_tells_what_the_store_needs(archive: Archive) -> None:
    """Run, item, source and size of the newest version are read back from the package alone."""
    done = kit.write(archive)
    head = archive.head(done.object_id)

    assert head is not None
    assert (head.run_id, head.item_id, head.integration) == (7, 70, "main")
    assert (head.course_id, head.course_name, head.source) == ("101", "Tidal Systems", kit.CONTEXT.source)
    assert (head.payload_bytes, head.payload_files) == (done.payload_bytes, done.payload_files)
    assert (head.path, head.created_at, head.gaps) == (done.path, kit.NOW, 1)
    assert archive.head(Archive.object_id("main", "999")) is None
    assert list(archive.objects()) == [done.object_id]


def test_an_object_id_depends_on_integration_and_course_alone() -> None:
    """The same course always finds its package; no two pairs share one. The values never change."""
    assert Archive.object_id("main", "101") == "urn:uuid:3c156ea8-b4fb-5c33-aa15-9eec5bc858c6"
    assert len({Archive.object_id(*pair) for pair in [("a", "bc"), ("ab", "c"), ("a", "b,c"), ("a,b", "c")]}) == 4


def test_every_record_fits_the_schema_beside_it(archive: Archive) -> None:
    """Each record file has a JSON Schema of draft 2020-12 in the package, which every line fulfils."""
    done = kit.write(archive)
    files = sorted(kit.content(archive, done, "records").iterdir())

    assert [file.name for file in files] == [
        f"{kind}.jsonl" for kind in ("files", "grades", "native_exports", "people", "submissions")
    ]
    for file in files:
        schema = json.loads(kit.content(archive, done, f"schemas/{file.stem}.schema.json").read_bytes())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        for line in file.read_text().splitlines():
            validator.validate(json.loads(line))


def test_records_are_sorted_by_number_then_by_text(archive: Archive) -> None:
    """Ids of digits come in the order of their numbers, however long; others follow as text."""
    ids = ["b", "10", "9", "007", "7", "123456789012345678901234567890", "a", "-1", ""]
    done = kit.write(archive, [Record(kind=Kind.PEOPLE, id=person, data={}) for person in ids])

    lines = kit.content(archive, done, "records/people.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [
        "007", "7", "9", "10", "123456789012345678901234567890", "", "-1", "a", "b",
    ]  # fmt: skip


def test_secrets_are_in_no_file(archive: Archive) -> None:
    """Tokens in records, answers, gaps, names and the course itself are gone, and what was done is written down."""
    course = replace(kit.COURSE, url="https://lms.example.edu/courses/101?token=SECRET3")
    these = [
        *kit.parts(),
        Gap(kind=Kind.PAGES, id="1", reason=GapReason.NO_ACCESS, detail="GET /x?access_token=SECRET4"),
        RemoteFile(group="course", id="25", name="a.txt?token=SECRET5", url="https://x?token=SECRET6"),
        RemoteFile(group="course", id="26", name="b", url="u", extra={"api_key": "SECRET7"}),
    ]
    done = kit.write(archive, these, course=course)

    assert [path for path, data in kit.stored(archive.root).items() if b"SECRET" in data or "SECRET" in path] == []
    removed = json.loads(kit.content(archive, done, "provenance/redactions.json").read_bytes())["files"]
    assert removed["native/api/users.jsonl"] == {"credentials": {"keys": {"access_token": 1}}}
    assert removed["records/submissions.jsonl"] == {"credentials": {"parameters": {"access_token": 1}}}
    assert removed["course.json"] == {"credentials": {"parameters": {"token": 1}}}
    assert removed["gaps.jsonl"] == {"credentials": {"parameters": {"access_token": 1}}}


def test_answers_keep_everything_but_secrets(archive: Archive) -> None:
    """Items of one id that differ all stay, page twins are one line, lines without id all stay; order is by id."""
    twin = {"id": 2, "v": 1}
    bodies = [[{"id": 10}, {"id": 2, "v": 2}, twin], [twin, {"x": 1}, {"x": 1}, 5], {"whole": [1, 2]}]
    done = kit.write(archive, [RawPage(endpoint="things", number=n, body=body) for n, body in enumerate(bodies)])

    lines = kit.lines(archive, done, "native/api/things.jsonl")
    assert sorted(map(str, lines[:2])) == ["{'id': 2, 'v': 1}", "{'id': 2, 'v': 2}"]
    assert lines[2] == {"id": 10}
    assert sorted(map(str, lines[3:])) == ["5", "{'whole': [1, 2]}", "{'x': 1}", "{'x': 1}"]


@pytest.mark.parametrize("endpoint", ["../x", "a b", "", "a/b", "é"])
def test_an_endpoint_must_be_a_plain_name(archive: Archive, endpoint: str) -> None:
    """What is no name of letters, digits and _ is refused with what to do."""
    with pytest.raises(ValueError, match="letters, digits and _"):
        kit.write(archive, [RawPage(endpoint=endpoint, number=1, body=[])])


def test_odd_values_of_an_lms_neither_crash_nor_vanish(archive: Archive, tmp_path: Path) -> None:
    """Lone surrogates, control characters, huge numbers and NaN are kept as far as JSON can, and named otherwise."""
    these: list[Part] = [
        Record(kind=Kind.PEOPLE, id="\ud800", data={"name": "a\x00\x1b\u2028\udfff\x85b"}),
        Record(kind=Kind.GRADES, id="1", data={"person_id": "1", "final_score": float("nan"), "extra": {"n": 10**30}}),
        RawPage(endpoint="odd", number=1, body=[{"id": "\ud800", "x": float("inf")}]),
        RemoteFile(group="cou\ud800rse", id="\ud800/../x", name="\ud800\x00", url="u"),
    ]
    done = kit.write(archive, these, files={"\ud800/../x": b"bytes"})

    person = json.loads(kit.content(archive, done, "records/people.jsonl").read_bytes())
    grade = json.loads(kit.content(archive, done, "records/grades.jsonl").read_bytes())
    gaps = kit.lines(archive, done, "gaps.jsonl")
    assert (person["id"], person["name"]) == ("\ud800", "a\x00\x1b\u2028\udfff\x85b")
    assert (grade["final_score"], grade["extra"]["n"]) == (None, 10**30)
    assert [(gap["kind"], gap["id"], gap["count"]) for gap in gaps] == [("grades", "1", 0)]
    assert json.loads(kit.content(archive, done, "native/api/odd.jsonl").read_bytes())["x"] == "Infinity"
    archive.extract(done.object_id, None, tmp_path / "bag")
    kit.judge_bag(tmp_path / "bag")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"nmae": "x"}, "people 5: nmae"),
        ({"name": 7}, "people 5: name"),
        ({"id": "6"}, "must not hold `id`"),
    ],
)
def test_a_record_that_fits_no_model_is_refused(archive: Archive, data: dict[str, object], says: str) -> None:
    """The error names kind, id and field, but never the value, which may be personal."""
    with pytest.raises(RecordRefused, match=says) as caught:
        kit.write(archive, [Record(kind=Kind.PEOPLE, id="5", data=data)])

    assert "input_value" not in str(caught.value)


@pytest.mark.parametrize("kind", [Kind.FILES, Kind.NATIVE_EXPORTS])
def test_records_of_files_are_the_frameworks_own(archive: Archive, kind: Kind) -> None:
    """A connector cannot claim a file that was never downloaded."""
    with pytest.raises(RecordRefused, match="framework"):
        kit.write(archive, [Record(kind=kind, id="1", data={"name": "x", "group": "course"})])


def test_times_in_records_are_utc_text(archive: Archive) -> None:
    """Times of any zone are written in UTC, in typed fields and inside free ones."""
    moment = datetime.fromisoformat("2026-03-01T12:00:00+02:00")
    done = kit.write(
        archive,
        [
            Record(kind=Kind.PAGES, id="1", data={"updated_at": moment, "extra": {"seen": moment}}),
            Record(kind=Kind.PAGES, id="2", data={"updated_at": "2026-03-01T12:00:00+02:00"}),
        ],
    )

    lines = kit.lines(archive, done, "records/pages.jsonl")
    assert [line["updated_at"] for line in lines] == ["2026-03-01T10:00:00Z"] * 2
    assert lines[0]["extra"] == {"seen": "2026-03-01T10:00:00Z"}


def test_a_file_of_wrong_size_or_content_is_refused(archive: Archive) -> None:
    """What is not as promised leaves no bytes; the caller's gap accounts for it."""
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        short = RemoteFile(group="course", id="1", name="a", url="u", size=5)
        sink = writer.begin_file(short)
        sink.write(b"1234")
        with pytest.raises(WrongSize, match="4 bytes") as size:
            sink.finish()
        other = RemoteFile(group="course", id="2", name="b", url="u", digest="md5:" + "0" * 32)
        sink = writer.begin_file(other)
        sink.write(b"1234")
        with pytest.raises(WrongContent) as content:
            sink.finish()
        writer.missing(short, size.value.reason, str(size.value))
        writer.missing(other, content.value.reason, str(content.value))
        done = writer.commit()

    assert not (archive.root / done.path / "v1/content/data/files").exists()
    reasons = [gap["reason"] for gap in kit.lines(archive, done, "gaps.jsonl")]
    assert reasons == ["wrong_size", "wrong_content"]


@pytest.mark.parametrize(
    "digest",
    ["md5:81dc9bdb52d04dc20036dbd8313ed055", "SHA-1:7110eda4d09e062aa5e4a390b0a572ac0d2c0220", "crc99:00", None],
)
def test_a_promised_digest_is_checked_where_it_can_be(archive: Archive, digest: str | None) -> None:
    """Digests of known algorithms are compared in whatever spelling; unknown ones prove nothing and do no harm."""
    file = RemoteFile(group="course", id="1", name="a", url="u", size=0, digest=digest)
    done = kit.write(archive, [file], files={"1": b"1234"})

    assert kit.content(archive, done, "files/course/1/a").read_bytes() == b"1234"


def test_the_same_file_met_twice_is_stored_once(archive: Archive) -> None:
    """A file that is listed in two places is one file; other bytes under one id are named as a gap."""
    file = RemoteFile(group="course", id="1", name="a.txt", url="u")
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        for data in (b"same", b"same", b"other"):
            sink = writer.begin_file(file)
            sink.write(data)
            sink.finish()
        done = writer.commit()

    assert kit.content(archive, done, "files/course/1/a.txt").read_bytes() == b"other"
    gaps = kit.lines(archive, done, "gaps.jsonl")
    assert [(gap["id"], gap["count"]) for gap in gaps] == [("1", 0)]
    assert archive.verify(done.object_id).valid


def test_exports_of_the_same_name_do_not_collide(archive: Archive, tmp_path: Path) -> None:
    """Two native exports whose names differ in case or format only both get a place."""
    exports = [
        NativeExport(name="Course.zip", url="u", format="a"),
        NativeExport(name="course.ZIP", url="u", format="a"),
        NativeExport(name="Course.zip", url="u", format="b"),
    ]
    done = kit.write(archive, exports)

    assert len({path.name.casefold() for path in kit.content(archive, done, "native/export").iterdir()}) == 3


def test_a_writer_that_is_not_committed_leaves_nothing(archive: Archive) -> None:
    """An error on the way takes everything back; the next writer begins as if nothing had been."""
    before = kit.stored(archive.root)
    with suppress(RuntimeError), archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts())
        writer.begin_file(RemoteFile(group="course", id="99", name="half", url="u")).write(b"half")
        raise RuntimeError

    assert kit.stored(archive.root) == before
    assert kit.write(archive).version == 1


def test_an_open_file_stops_the_commit(archive: Archive) -> None:
    """A file that nobody finished or aborted is a fault of the caller, not a silently missing file."""
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        sink = writer.begin_file(RemoteFile(group="course", id="1", name="a", url="u"))
        with pytest.raises(PackageError, match="neither finished nor aborted"):
            writer.commit()
        sink.abort()

        assert writer.commit().version == 1


def test_a_package_has_one_writer_at_a_time(archive: Archive) -> None:
    """A second writer of the same course is told that it is busy; of another course it is not."""
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS):
        with pytest.raises(PackageBusy, match="at work"), archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS):
            pass
        with archive.writer(replace(kit.COURSE, id="102"), kit.CONTEXT, ALWAYS) as other:
            assert other.commit().version == 1


def test_a_course_of_another_lms_is_refused(archive: Archive) -> None:
    """An integration that now means another LMS cannot write over the packages of the first."""
    kit.write(archive)

    with pytest.raises(OtherSource, match=r"https://other\.example\.edu"):
        kit.write(archive, source={"connector": "canvas", "base_url": "https://other.example.edu"})
    assert kit.write(archive, source={**kit.CONTEXT.source, "base_url": "https://lms.example.edu/"}).version == 2


def test_many_threads_may_feed_one_writer(archive: Archive) -> None:
    """Downloads in parallel lose nothing: every file and record is there, and the package is valid."""

    def download(number: int) -> None:
        sink = writer.begin_file(RemoteFile(group="course", id=str(number), name="a", url="u"))
        for _ in range(5):
            sink.write(b"%d" % number)
        writer.record(Record(kind=Kind.PEOPLE, id=str(number), data={}))
        sink.finish()

    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer, ThreadPoolExecutor(8) as threads:
        list(threads.map(download, range(300)))
        done = writer.commit()

    assert len(kit.lines(archive, done, "records/people.jsonl")) == 300
    assert kit.content(archive, done, "files/course/299/a").read_bytes() == b"299" * 5
    assert archive.verify(done.object_id).valid


def test_counts_are_known_while_writing(archive: Archive) -> None:
    """Expected, captured, gaps and status per kind can be shown before the commit."""
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts())

        assert writer.counts()["people"] == {"expected": 3, "captured": 3, "gaps": 0, "status": "complete"}
        assert writer.counts()["files"] == {"expected": 4, "captured": 3, "gaps": 1, "status": "partial"}
        assert writer.gaps == 1


def test_the_crate_describes_what_is_there(archive: Archive) -> None:
    """The RO-Crate conforms to 1.2 by reference, and each of its files exists and is named as in the LMS."""
    done = kit.write(archive)
    crate = json.loads(kit.content(archive, done, "ro-crate-metadata.json").read_bytes())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}

    assert crate["@context"] == "https://w3id.org/ro/crate/1.2/context"
    assert entities["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = entities["./"]
    assert all(root[name] for name in ("name", "description", "datePublished", "license", "hasPart"))
    assert len(entities) == len(crate["@graph"])
    files = [entity for entity in entities.values() if entity["@type"] == "File"]
    for entity in files:
        stored = kit.content(archive, done, unquote(entity["@id"]))
        assert entity["contentSize"] == str(stored.stat().st_size) if "contentSize" in entity else stored.is_file()
    listed = {part["@id"] for entity in entities.values() for part in entity.get("hasPart", [])}
    assert {entity["@id"] for entity in files} <= listed <= entities.keys()
    assert entities["files/course/21/Tide%20tables_%202026_27.pdf"]["name"] == "Tide tables: 2026/27.pdf"


class Links(HTMLParser):
    """Collects addresses and the names of all elements."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_preview_is_a_page_without_scripts_whose_links_work(archive: Archive) -> None:
    """What the LMS calls things is text on the page, never markup; all links are relative and lead to a file."""
    course = replace(kit.COURSE, name="<script>alert(1)</script>", code=None)
    file = RemoteFile(group="course", id="1", name='"><img src=x onerror=y>.txt', url="u")
    done = kit.write(archive, [*kit.parts(), file], course=course, files={**kit.FILES, "1": b"x"})
    page = Links()
    page.feed(kit.content(archive, done, "ro-crate-preview.html").read_text())

    assert not page.elements & {"script", "img", "iframe", "object", "form"}
    for link in page.links:
        assert not re.match(r"[a-z]+:|/", link)
        assert kit.content(archive, done, unquote(link)).is_file()


def test_the_readme_tells_a_stranger_what_this_is(archive: Archive) -> None:
    """It names course, LMS, institution, version, how to check the package, and the versions before."""
    done = kit.write(archive)
    kit.write(archive, kit.parts(grade=90.0), run_id=8, item_id=80)
    text = kit.content(archive, done, "README.txt", version=2).read_text()

    for words in ("Tidal Systems", "https://lms.example.edu", "Example University", done.object_id):
        assert words in text
    for words in ("bagit.py --validate", "sha512sum -c", "ocfl-object.py extract", "First capture; run 7, item 70"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 120
    assert "ocfl-root.py" in (archive.root / "README.txt").read_text()


def test_bag_info_carries_run_and_completeness(archive: Archive) -> None:
    """A partial capture is visible in bag-info.txt and course.json without opening anything else."""
    done = kit.write(archive)
    content = archive.root / done.path / "v1" / "content"
    info = (content / "bag-info.txt").read_text().splitlines()

    for line in (
        "Source-Organization: Example University",
        "External-Identifier: https://lms.example.edu/courses/101",
        "External-Identifier: 101",
        "Bagging-Date: 2026-09-01",
        f"Payload-Oxum: {done.payload_bytes}.{done.payload_files}",
        "Bag-Software-Agent: Coursekeep/0.1.0",
        "X-Coursekeep-Run: 7",
        "X-Coursekeep-Completeness: partial",
    ):
        assert line in info
    course = json.loads((content / "data/course.json").read_bytes())
    assert (course["completeness"], course["gaps"]) == ("partial", 1)


def test_provenance_tells_how_a_version_came_about(archive: Archive) -> None:
    """Events in PREMIS vocabulary carry the times, which are nowhere in what is compared."""
    done = kit.write(archive)
    events = kit.lines(archive, done, "provenance/events.jsonl")

    assert [event["eventType"]["term"] for event in events] == [
        "capture",
        "capture",
        "message digest calculation",
        "redaction",
        "information package creation",
    ]
    assert events[0]["eventDateTime"] == "2026-09-01T11:30:00Z"
    assert events[1]["eventOutcome"]["outcome"] == "gap"
    assert len({event["eventIdentifier"]["value"] for event in events}) == 5


def test_a_hostile_course_name_stays_on_its_line(archive: Archive) -> None:
    """Line feeds and control characters in names cannot add fields to bag-info.txt or lines to the README."""
    course = replace(kit.COURSE, name="A\nPayload-Oxum: 1.1\r\n\x1b[31mB", code="\u2028C")
    done = kit.write(archive, course=course)

    info = (archive.root / done.path / "v1/content/bag-info.txt").read_text()
    assert re.findall("(?m)^Payload-Oxum: (.*)$", info) == [f"{done.payload_bytes}.{done.payload_files}"]
    assert "\x1b" not in kit.content(archive, done, "README.txt").read_text()
    kit.judge_bag(archive.root / done.path / "v1/content")


def test_expected_numbers_do_not_depend_on_the_clock(archive: Archive) -> None:
    """Nothing that is compared holds a time of capture: a day later the same parts are the same course."""
    kit.write(archive, [Expected(kind=Kind.PEOPLE, count=1), Gap(kind=Kind.PAGES, reason=GapReason.LOCKED)])
    later = kit.new_archive(archive.root, clock=lambda: datetime(2027, 1, 1, tzinfo=UTC))

    done = kit.write(later, [Gap(kind=Kind.PAGES, reason=GapReason.LOCKED), Expected(kind=Kind.PEOPLE, count=1)])
    assert not done.changed
