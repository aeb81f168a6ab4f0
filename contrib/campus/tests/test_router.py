"""The tree of routes."""

from __future__ import annotations

import pytest

from coursekeep_campus.call import Call
from coursekeep_campus.replies import Reply
from coursekeep_campus.router import Routes, Tree


def handler(call: Call) -> Reply:
    """Answer with nothing."""
    return Reply(b"")


def tree(*paths: str) -> Tree:
    """Make a tree of GET routes."""
    routes = Routes()
    for path in paths:
        routes.get(path)(handler)
    return Tree([routes])


def test_fixed_before_variable() -> None:
    """A fixed segment wins over a variable one, and gives way where it leads nowhere."""
    found = tree("a/{x}", "a/b", "a/{x}/c")

    assert (found.find("GET", "a/b") or ("", None))[1] == {}
    assert (found.find("GET", "a/z") or ("", {}))[1] == {"x": "z"}
    assert (found.find("GET", "a/b/c") or ("", {}))[1] == {"x": "b"}


def test_variables_are_decoded() -> None:
    """An encoded slash belongs to the variable, not to the path."""
    assert (tree("a/{x}").find("GET", "a/b%2Fc%2E") or ("", {}))[1] == {"x": "b/c."}


def test_no_route() -> None:
    """Other methods and other paths find nothing."""
    found = tree("a/{x}")

    assert found.find("POST", "a/b") is None
    assert found.find("GET", "a") is None
    assert found.find("GET", "a/b/c") is None


def test_twice_the_same() -> None:
    """A route may be registered only once, and a variable has one name at its place."""
    with pytest.raises(ValueError, match="registered twice"):
        tree("a/{x}", "a/{x}")
    with pytest.raises(ValueError, match="is called x"):
        tree("a/{x}", "a/{y}/b")
