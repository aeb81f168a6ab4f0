"""Traps in files: locked, lost, twins, hostile names, folders that lists leave out, two kinds of addresses."""

from __future__ import annotations

from coursekeep_campus.builder import Builder
from coursekeep_campus.content import Storage

__all__ = ["closed_folder", "folder_only", "locked_file", "login_page", "missing_bytes", "mixed_addresses", "twins"]

HOSTILE = (
    "../../../etc/passwd",
    "..\\..\\windows\\system.ini",
    "/absolute.txt",
    "CON.txt",
    "trailing dots...",
    " blanks around ",
    "100%.txt",
    "a%2Fb.txt",
    "line\nbreak.txt",
    "tab\tand bell\a.txt",
    "quotes \" and ' and <b>.txt",
    "right-to-left \u202egnp.txt",
    "e\u0301te\u0301 (decomposed).txt",
    "été (decomposed).txt",
    "long " + "x" * 240 + ".txt",
    "semi;colon|pipe?question*star.txt",
    ".hidden",
    "-rf",
    "emoji \U0001f4da.txt",
)


def locked_file(builder: Builder) -> None:
    """Lock a file to the caller: its address is empty, its metadata are there."""
    file = builder.file("exam solutions.txt", locked=True, locked_for_user=True)
    file.doc.update(url="", thumbnail_url="", lock_explanation="This file is locked.", lock_info={"asset_string": "x"})


def missing_bytes(builder: Builder) -> None:
    """List a file whose bytes are gone, and one whose upload never ended."""
    builder.file("lost in a migration.pdf", storage=Storage.MISSING)
    broken = builder.file("broken upload.bin", b"", storage=Storage.MISSING)
    broken.doc.update(size=None, upload_status="errored")


def login_page(builder: Builder) -> None:
    """List a file whose address leads to a log-in page with status 200."""
    builder.file("slides behind a lost session.pdf", storage=Storage.LOGIN)


def twins(builder: Builder) -> None:
    """Give files of one folder the same name, names that differ by case only, and hostile ones."""
    for data in (b"first\n", b"second\n", b"third\n"):
        builder.file("notes.txt", data)
    builder.file("NOTES.TXT", b"fourth\n")
    for number, name in enumerate(HOSTILE):
        builder.file(name, f"content of file {number}\n".encode())


def folder_only(builder: Builder) -> None:
    """Keep files in folders that the list of the course leaves out: hidden ones and those for submissions."""
    root = builder.content.folders[0]
    hidden = builder.folder("hidden", root, hidden=True, hidden_for_user=True)
    work = builder.folder("Submissions", root, for_submissions=True)
    builder.file("hidden.txt", folder=hidden, folder_only=True, hidden=True)
    builder.file("handed in.txt", folder=work, folder_only=True)
    builder.file("empty.txt", b"")


def closed_folder(builder: Builder) -> None:
    """Keep a file in a folder that is listed, but may not be looked into."""
    folder = builder.folder("Exam board", builder.content.folders[0])
    builder.file("minutes.txt", folder=folder, folder_only=True)
    builder.content.closed_folders.add(folder["id"])


def mixed_addresses(builder: Builder) -> None:
    """Mix addresses with and without verifiers in one course."""
    builder.verifiers = not builder.verifiers
    builder.file("the other kind of address.txt")
    builder.verifiers = not builder.verifiers
