"""What teachers lay out: labels, links, pages, files, folders, books."""

from __future__ import annotations

import json

from coursekeep_campus.moodle.builder import Builder
from coursekeep_campus.moodle.model import ORIGIN

__all__ = ["fill"]


def fill(builder: Builder, sections: list[int]) -> None:
    """Put one of each into the course, and the awkward ones."""
    _plain(builder, sections)
    _page(builder, sections[1])
    _files(builder, sections)
    _book(builder, sections[2])
    _imscp(builder, sections[2])


def _plain(builder: Builder, sections: list[int]) -> None:
    label = builder.activity("label", "Welcome", sections[0])
    secret = "0123456789abcdef" * 2
    label.doc["intro"] = (
        f'<p>Hello. <a href="{ORIGIN}/calendar/export_execute.php?userid=7&amp;authtoken={secret}">Dates</a>'
        f'<img src="{ORIGIN}/tokenpluginfile.php/{secret}/7/x/a.png"></p>'
    )
    link = builder.activity("url", "Further reading", sections[0], externalurl="https://reading.example.org/a?b=1")
    link.contents = [
        {
            "type": "url",
            "filename": "Further reading",
            "filepath": None,
            "filesize": 0,
            "fileurl": "https://reading.example.org/a?b=1",
            "timecreated": None,
            "timemodified": builder.at(1),
            "sortorder": None,
            "userid": None,
            "author": None,
            "license": None,
        }
    ]
    broken = builder.activity("url", "Broken link", sections[0], externalurl="ht!tp://no address")
    broken.contents = []


def _page(builder: Builder, section: int) -> None:
    page = builder.activity("page", "Read & think", section, display=5)
    html = b'<p>The page itself <img src="picture.png"></p>'
    picture = builder.file(page.context, "mod_page", "content", 0, "picture.png", b"\x89PNG picture")
    index = builder.file(page.context, "mod_page", "content", 0, "index.html", html, generated=True)
    page.doc["content"] = html.decode().replace('src="picture.png"', f'src="{picture["fileurl"]}"')
    page.doc |= {"contentformat": 1, "contentfiles": [picture], "revision": 1, "legacyfiles": 0}
    page.contents = [
        {**builder.content(index), "timecreated": None, "author": None, "userid": None, "license": None},
        builder.content(picture),
    ]


def _files(builder: Builder, sections: list[int]) -> None:
    names = ("Größe  Maß.pdf", "notes.txt", "data.json", "saved.html")
    bodies = (
        b"%PDF-1.4 made up",
        b"plain notes",
        b'{"error": "a result", "errorcode": "7"}',
        b"<html>logintoken</html>",
    )
    for name, data in zip(names, bodies, strict=True):
        one = builder.activity("resource", f"File {name}", sections[1])
        stored = builder.file(one.context, "mod_resource", "content", 0, name, data, query="?forcedownload=1")
        one.doc["contentfiles"] = [stored]
        one.contents = [builder.content(stored)]
    hidden = builder.activity("resource", "Hidden file", sections[4])
    hidden.visible = 0
    stored = builder.file(hidden.context, "mod_resource", "content", 0, "solution.pdf", b"%PDF solution")
    hidden.contents = [builder.content(stored)]
    folder = builder.activity("folder", "Slides", sections[2])
    folder.contents = [
        builder.content(builder.file(folder.context, "mod_folder", "content", 1, name, name.encode(), folder=place))
        for place, name in (("/", "a.txt"), ("/week 1/", "a.txt"), ("/week 1/", "..%2f..%2fevil.txt"))
    ]


def _book(builder: Builder, section: int) -> None:
    book = builder.activity("book", "Handbook", section, numbering=1, revision=1)
    chapters = [(builder.id(), f"Chapter {number}", level) for number, level in ((1, 0), (2, 1), (3, 0))]
    tree = [
        {"title": title, "href": f"{chapter}/index.html", "level": level, "hidden": "0", "subitems": []}
        for chapter, title, level in chapters
    ]
    structure = {"type": "content", "filename": "structure", "filepath": "/", "filesize": 0, "fileurl": None}
    nobody = {"userid": None, "author": None, "license": None}
    book.contents = [
        {**structure, "content": json.dumps(tree), "timecreated": 0, "timemodified": 0, "sortorder": 0, **nobody}
    ]
    for chapter, title, _ in chapters:
        html = f"<h1>{title}</h1><p>Text of {title}</p>".encode()
        folder = f"/{chapter}/"
        file = builder.file(
            book.context, "mod_book", "chapter", None, "index.html", html, folder=folder, generated=True
        )
        book.contents.append({**builder.content(file), "content": title, "tags": [], **nobody})
    first = chapters[0][0]
    picture = builder.file(book.context, "mod_book", "chapter", first, "map.png", b"\x89PNG map")
    book.contents.append({**builder.content(picture), "filepath": f"/{first}/"})


def _imscp(builder: Builder, section: int) -> None:
    package = builder.activity("imscp", "Old package", section, revision=1, keepold=1)
    structure = {"type": "content", "filename": "structure", "filepath": "/", "filesize": 0, "fileurl": None}
    file = builder.file(package.context, "mod_imscp", "content", 1, "start.html", b"<html>start</html>")
    package.contents = [{**structure, "content": "[]", "timecreated": 0, "timemodified": 0}, builder.content(file)]
