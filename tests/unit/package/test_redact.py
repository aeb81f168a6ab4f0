"""Redaction: secrets are gone from everything that is written, and nothing else is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursekeep import ALWAYS, Redaction
from coursekeep_daemon.package.redact import REMOVED, Redactor, Removal

SECRET = "S3cr3tS3cr3t"
REDACTOR = Redactor(
    (
        *ALWAYS,
        Redaction(
            name="canvas", reason="", keys=frozenset({"lti_guid"}), paths=frozenset({"key.php", "rss/file.php/*"})
        ),
    )
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_characters="=")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz_", max_size=6), inner, max_size=4),
    max_leaves=20,
)


def redact(value: Any) -> tuple[Any, list[Removal]]:
    removed: list[Removal] = []
    return REDACTOR.redact(value, removed), removed


@given(PLAIN)
def test_what_holds_no_secret_stays_as_it_is(value: Any) -> None:
    """A value without secret keys and parameters comes out equal, and nothing is counted."""
    assert redact(value) == (value, [])


@given(PLAIN, st.sampled_from(["access_token", "Password", "PRIVATE_KEY", "lti_guid"]), st.integers(0, 4))
def test_keys_go_with_their_values_at_any_depth(value: Any, key: str, depth: int) -> None:
    """A secret key is removed wherever it stands and however it is written."""
    holder: Any = {"kept": value, key: SECRET}
    for _ in range(depth):
        holder = {"inner": [holder]}

    found, removed = redact(holder)

    assert SECRET not in json.dumps(found)
    assert [name for _, what, name in removed if what == "keys"] == [key.lower()]


@given(
    st.sampled_from(["access_token", "X-Amz-Signature", "Signature", "wstoken", "sf_verifier"]),
    st.sampled_from(["?{0}=", "?a=1&{0}=", "?a=1&amp;{0}=", "#{0}=", "?a=1\\u0026{0}=", "?a=1&#38;{0}="]),
    st.sampled_from(["", "&b=2", '" class="x">', " and more", "<br>", ") in brackets", "#top"]),
)
def test_parameters_lose_their_value_and_nothing_else(name: str, before: str, after: str) -> None:
    """In an address inside any text the secret's value is replaced; the text around it stays."""
    text = "see <a href='https://lms.example.edu/files/7" + before.format(name) + "{}" + after

    found, removed = redact(text.replace("{}", SECRET))

    assert found == text.replace("{}", REMOVED)
    assert [(what, which) for _, what, which in removed] == [("parameters", name.lower())]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_addresses_inside_of_addresses_are_found(layers: int) -> None:
    """A secret in an address that is itself an encoded parameter is removed too, and what follows it stays."""
    inner = f"https://files.example.edu/f?token={SECRET}&page=2"
    for _ in range(layers):
        inner = quote(inner, safe="")

    found, removed = redact(f"https://lms.example.edu/go?url={inner}&next=1")

    assert SECRET not in found
    assert "page" in found
    assert found.endswith("&next=1")
    assert len(removed) == 1


@pytest.mark.parametrize(
    "text", ["token=5 in prose", "?tokenize=1", "&policyholder=x", "a=b;expires=Thu", "50% = half"]
)
def test_text_that_only_looks_similar_is_kept(text: str) -> None:
    """Names that only begin alike, and assignments outside of addresses, are left alone."""
    assert redact(text) == (text, [])


@given(PLAIN)
def test_redacting_twice_changes_and_counts_nothing_more(value: Any) -> None:
    """What is redacted already is not redacted or counted again."""
    once, _ = redact({"value": value, "url": f"https://x/?access_token={SECRET}"})

    assert redact(once) == (once, [])


@pytest.mark.parametrize("before", ["key.php/", "key.php\\/", "rss/file.php/12/"])
@pytest.mark.parametrize("after", ["", "/7/x/a.png", '\\" and more', "<br>", "?a=1"])
def test_a_segment_after_a_path_is_removed(before: str, after: str) -> None:
    """A key that stands in the path of an address is replaced, and nothing around it; once is enough."""
    text = f"see https://lms.example.edu/{before}{{}}{after}"

    found, removed = redact(text.replace("{}", SECRET))

    assert found == text.replace("{}", REMOVED)
    assert [what for _, what, _ in removed] == ["paths"]
    assert redact(found) == (found, [])
