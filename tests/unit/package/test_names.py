"""Safe names: nothing an LMS calls a thing becomes a path as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursekeep_daemon.package.bag import escapes
from coursekeep_daemon.package.names import MAX_NAME, MAX_PATH, safe_id, safe_name

TROUBLE = [
    *("../", "..\\", "/", "CON", "nul.txt", "COM1", "LPT¹", "%", "%00", " ", ".", "\0", "\n", "~", "-", "C:"),
    *("e\u0301", "é", "ﬁ", "\ud800", "🌊", "👩\u200d🔬", "א", "\u202e", "\u2028", "\u037e", "a" * 300, "é" * 150),
]

#: any text, lone surrogates included, with what hostile names are made of mixed in
HOSTILE = st.lists(
    st.one_of(
        st.text(st.characters(categories=None), max_size=20),
        st.sampled_from(TROUBLE),
    ),
    max_size=8,
).map("".join)

DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}


@given(HOSTILE)
def test_every_name_is_safe_everywhere(name: str) -> None:
    """Whatever the LMS calls a file, its name is short, NFC, and means the same on every system."""
    safe = safe_name(name)

    assert 0 < len(safe.encode("utf-8")) <= MAX_NAME
    assert unicodedata.is_normalized("NFC", safe)
    assert not set(safe) & set('%\\/:*?"<>|')
    assert not {unicodedata.category(char) for char in safe} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert safe == safe.strip(" .")
    assert safe.split(".")[0].strip().casefold() not in DEVICES
    assert not escapes(safe)
    assert safe_name(safe) == safe


@given(HOSTILE)
def test_every_id_is_a_safe_directory(source_id: str) -> None:
    """An id becomes a directory name under the same rules, and short enough for the whole path."""
    safe = safe_id(source_id)

    assert safe == safe_name(safe)
    assert len(f"data/files/{safe}/{safe}/".encode()) + MAX_NAME <= MAX_PATH
    assert len(safe.encode()) <= 50


@given(HOSTILE, HOSTILE)
def test_different_ids_never_share_a_directory(one: str, other: str) -> None:
    """Two ids give two directories, also where case and normalisation are ignored."""
    if one != other:
        names = {unicodedata.normalize("NFKC", safe_id(source_id)).casefold() for source_id in (one, other)}

        assert len(names) == 2


@pytest.mark.parametrize(
    ("one", "other"), [("A", "a"), ("é", "e\u0301"), ("7", "7 "), ("", "file"), ("a/b", "a_b"), ("x.y", "x_y")]
)
def test_twins_get_directories_of_their_own(one: str, other: str) -> None:
    """Ids that differ in case, normalisation, blanks or reserved characters stay apart."""
    assert safe_id(one).casefold() != safe_id(other).casefold()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("essay.pdf", "essay.pdf"),
        ("Übung 3 – Lösung.docx", "Übung 3 – Lösung.docx"),
        ("../../etc/passwd", "__.._etc_passwd"),
        ("100%.txt", "100_.txt"),
        ("con.txt", "_con.txt"),
        ("  report. ", "_report_"),
        ("", "file"),
        ("\u202etxt.exe", "txt.exe"),
        (".htaccess", "_htaccess"),
        ("潮汐.pdf", "潮汐.pdf"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
    ],
)
def test_names_stay_readable(name: str, safe: str) -> None:
    """As much of a name is kept as is safe, its suffix included."""
    assert safe_name(name) == safe
