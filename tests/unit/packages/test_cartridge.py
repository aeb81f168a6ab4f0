"""Common Cartridges, of Canvas and of others, become records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fakes.package_export import export_of, read_file
from fakes.package_files import CANVAS_CARTRIDGE, PLAIN_CARTRIDGE, make_zip, manifest

from coursekeep import Expected, GapReason, Kind


def test_plain_cartridge_becomes_pages_links_and_files(tmp_path: Path) -> None:
    """Pages keep their text as it stands, links and tools their addresses, and every entry is a file or a record."""
    export = export_of(make_zip(tmp_path / "plain.imscc", PLAIN_CARTRIDGE))

    pages = export.of(Kind.PAGES)
    assert pages["p1"]["title"] == "One & only"
    assert pages["p1"]["body_html"] == PLAIN_CARTRIDGE["one.html"]
    assert pages["p2"]["slug"] == "a b"
    nodes = export.of(Kind.STRUCTURE)
    assert nodes["i2"] | {"parent_id": "i1", "target_kind": "pages", "target_id": "p1"} == nodes["i2"]
    assert (nodes["i3"]["item_type"], nodes["i3"]["url"]) == ("url", "https://example.edu/leaves")
    assert nodes["i4"]["item_type"] == "label"
    assert (nodes["t1"]["item_type"], nodes["t1"]["url"]) == ("tool", "https://lab.example.edu/")
    topic = export.of(Kind.DISCUSSIONS)["d1"]
    assert (topic["message_html"], topic["file_ids"]) == ("<p>Hello</p>", ["img/x.png"])
    files = {file.id: file for file in export.files}
    assert set(files) == {"one.html", "a b.htm", "img/x.png", "gone.pdf", "notes.txt"}
    assert files["gone.pdf"].withheld is GapReason.NOT_FOUND
    assert files["notes.txt"].extra == {"listed": False}
    assert read_file(tmp_path, files["img/x.png"]) == PLAIN_CARTRIDGE["img/x.png"]


def test_canvas_export_becomes_what_canvas_meant(tmp_path: Path) -> None:
    """Canvas's own documents are preferred: settings, states, its copy of a quiz, and the banks beside it."""
    export = export_of(make_zip(tmp_path / "canvas.imscc", CANVAS_CARTRIDGE))

    assert (export.course.name, export.course.code) == ("Botany of 2024", "BOT-1")
    assert str(export.course.ended_at) == "2024-06-01 00:00:00+00:00"
    page = export.of(Kind.PAGES)["g1"]
    assert (page["title"], page["body_html"], page["published"]) == ("Ferns", "<p>Old</p>", False)
    item = export.of(Kind.STRUCTURE)["it"]
    assert (item["published"], item["indent"], item["parent_id"]) == (False, 1, "mod")
    assert export.of(Kind.ASSIGNMENT_GROUPS)["ag"]["weight"] == 40.0
    essay = export.of(Kind.ASSIGNMENTS)["a1"]
    assert (essay["due_at"], essay["description_html"]) == ("2024-03-01T12:00:00Z", "<p>Write.</p>")
    assert essay["submission_types"] == ["online_upload", "online_text_entry"]
    assert export.of(Kind.SETTINGS)["syllabus"]["value"] == {"body_html": "<p>Read.</p>"}
    quizzes = export.of(Kind.QUIZZES)
    assert (quizzes["q1"]["time_limit_seconds"], quizzes["q1"]["assignment_id"]) == (1800, "qa")
    assert quizzes["b1"]["quiz_type"] == "question_bank"
    question = export.of(Kind.QUIZ_QUESTIONS)["q1-n1"]
    assert (question["type"], question["points_possible"]) == ("true_false_question", 2.0)
    assert (question["text_html"], [each["text"] for each in question["answers"]]) == (
        "<p>True?</p>",
        ["True", "False"],
    )


def test_date_that_is_none_is_kept_as_text(tmp_path: Path) -> None:
    """The 30th of February is null in the record, and stands as text among the raw answers."""
    export = export_of(make_zip(tmp_path / "canvas.imscc", CANVAS_CARTRIDGE))

    assert export.of(Kind.ASSIGNMENTS)["qa"]["due_at"] is None
    assert [page.body for page in export.pages] == [[{"id": "qa/due_at", "text": "2024-02-30T00:00:00"}]]


def test_document_that_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    """A topic that is no XML costs this topic, and nothing else."""
    broken: Mapping[str, str | bytes] = {**PLAIN_CARTRIDGE, "d1.xml": "<topic><title>cut"}
    export = export_of(make_zip(tmp_path / "plain.imscc", broken))

    (gap,) = export.gaps_of(Kind.DISCUSSIONS)
    assert (gap.reason, gap.id, gap.count) == (GapReason.MALFORMED, "d1", 1)
    assert "not well-formed" in gap.detail
    assert len(export.of(Kind.PAGES)) == 2


def test_page_that_is_not_utf8_is_a_gap_and_a_file(tmp_path: Path) -> None:
    """The text of a page in another encoding is not guessed: its bytes are kept as they are."""
    latin: Mapping[str, str | bytes] = {**PLAIN_CARTRIDGE, "one.html": "<p>Größe</p>".encode("latin-1")}
    export = export_of(make_zip(tmp_path / "plain.imscc", latin))

    assert [gap.id for gap in export.gaps_of(Kind.PAGES)] == ["p1"]
    assert "one.html" in {file.id for file in export.files}


def test_identifier_that_is_used_twice_hides_nothing(tmp_path: Path) -> None:
    """Two resources, or two items, of one identifier are two records."""
    twice = {
        "imsmanifest.xml": manifest(
            '<resource identifier="p" type="webcontent"><file href="a.html"/></resource>'
            '<resource identifier="p" type="webcontent"><file href="b.html"/></resource>',
            '<item identifier="i" identifierref="p"><title>A</title></item>'
            '<item identifier="i" identifierref="p"><title>B</title></item>',
        ),
        "a.html": "A",
        "b.html": "B",
    }
    export = export_of(make_zip(tmp_path / "twice.imscc", twice))

    assert {id_: page["body_html"] for id_, page in export.of(Kind.PAGES).items()} == {"p": "A", "p#2": "B"}
    assert {node["title"] for node in export.of(Kind.STRUCTURE).values()} == {"A", "B"}
    assert Expected(kind=Kind.PAGES, count=2, basis="imsmanifest.xml") in export.expected
