"""ro-crate-preview.html: an index for people. One static page without scripts; everything from the LMS is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from coursekeep_daemon.package.completeness import Status
from coursekeep_daemon.package.crate import Described, StoredFiles, relative
from coursekeep_daemon.package.guide import human_size
from coursekeep_daemon.package.jsontext import rfc3339

__all__ = ["page"]

Gaps = Callable[[], Iterator[dict[str, Any]]]

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }}
table {{ border-collapse: collapse; width: 100%; margin: 1rem 0; }}
caption {{ text-align: left; font-weight: 600; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ccc; }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
td {{ overflow-wrap: anywhere; }}
</style>
</head>
<body>
"""


def page(described: Described, sizes: Mapping[str, int], stored: StoredFiles, gaps: Gaps) -> Iterator[bytes]:
    """Yield the page piece by piece."""
    for piece in _pieces(described, sizes, stored, gaps):
        yield piece.encode("utf-8", "replace")


def _pieces(described: Described, sizes: Mapping[str, int], stored: StoredFiles, gaps: Gaps) -> Iterator[str]:
    yield _HEAD.format(title=escape(described.title))
    yield f"<h1>{escape(described.title)}</h1>\n"
    yield (
        "<p>An archived course. This page is only an index: "
        f"{_link('README.txt')} explains the package, and the files beside it are the record.</p>\n"
    )
    yield from _table("The course", ("", ""), _facts(described))
    yield from _table(
        "What was captured",
        ("Kind", "Status", "#Expected", "#Captured", "#Missing", "Remark"),
        _kinds(described, sizes),
    )
    kinds = described.completeness.kinds.items()
    others = ", ".join(str(kind) for kind, count in kinds if count.status is Status.NOT_SUPPORTED)
    if others:
        yield f"<p>Not captured by the connector, or not there: {escape(others)}.</p>\n"
    yield from _table("What is missing (gaps)", ("Kind", "Id", "Reason", "#Records", "Detail"), _gaps(gaps))
    yield from _table("Files", ("Name", "Group", "Folder", "#Size"), _files(stored))
    further = sorted(path for path in sizes if path.startswith(("native/api/", "provenance/")))
    yield from _table("Further files", ("Path", "#Size"), ([_link(path), human_size(sizes[path])] for path in further))
    yield "</body>\n</html>\n"


def _table(caption: str, heads: tuple[str, ...], rows: Iterator[list[str]] | Any) -> Iterator[str]:
    """Yield a table; a head that begins with `#` is a column of numbers. Cells are HTML already."""
    yield f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>"
    numbers = [head.startswith("#") for head in heads]
    for head, number in zip(heads, numbers, strict=True):
        yield f'<th scope="col"{_class(number)}>{escape(head.lstrip("#"))}</th>'
    yield "</tr></thead>\n<tbody>\n"
    empty = True
    for row in rows:
        empty = False
        yield "<tr>"
        for cell, number in zip(row, numbers, strict=True):
            yield f"<td{_class(number)}>{cell}</td>"
        yield "</tr>\n"
    if empty:
        yield f'<tr><td colspan="{len(heads)}">none</td></tr>\n'
    yield "</tbody>\n</table>\n"


def _class(number: bool) -> str:
    return ' class="n"' if number else ""


def _link(path: str, text: str | None = None) -> str:
    return f'<a href="{escape(relative(path))}">{escape(text or path)}</a>'


def _facts(described: Described) -> Iterator[list[str]]:
    course = described.course
    rows = [
        ("Name", course["name"]),
        ("Code", course["code"]),
        ("Term", course["term"]["name"]),
        ("Began", course["start_at"]),
        ("Ended", course["ended_at"]),
        ("Id in the LMS", course["id"]),
        ("Id in the student information system", course["sis_id"]),
        ("Address in the LMS", course["url"]),
        ("Kept by", described.organization),
        ("Package", f"{described.object_id}, version {described.version}"),
        ("Written", f"{rfc3339(described.created)} by {described.software}"),
        ("Completeness", f"{described.completeness.status}, gaps: {described.completeness.gaps}"),
    ]
    for name, value in rows:
        if value:
            yield [escape(name), escape(str(value))]


def _kinds(described: Described, sizes: Mapping[str, int]) -> Iterator[list[str]]:
    for kind, count in described.completeness.kinds.items():
        if count.status is Status.NOT_SUPPORTED:
            continue
        path = f"records/{kind}.jsonl"
        missing = f"{count.gaps}" + (" + unknown" if count.gaps_of_unknown_size else "")
        yield [
            _link(path, str(kind)) if path in sizes else escape(str(kind)),
            escape(str(count.status)),
            "not stated" if count.expected is None else str(count.expected),
            str(count.captured),
            missing,
            escape(count.remark),
        ]


def _gaps(gaps: Gaps) -> Iterator[list[str]]:
    for gap in gaps():
        number = "unknown" if gap["count"] is None else str(gap["count"])
        yield [escape(gap["kind"]), escape(gap["id"] or "all"), escape(gap["reason"]), number, escape(gap["detail"])]


def _files(stored: StoredFiles) -> Iterator[list[str]]:
    for record in stored():
        name = escape(record["name"]) if record["path"] is None else _link(record["path"], record["name"])
        size = "missing" if record["path"] is None else human_size(record["size"])
        yield [name, escape(record.get("group") or "native export"), escape(record.get("folder") or ""), size]
