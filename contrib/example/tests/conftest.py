"""Slate itself, as far as the tests need it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coursekeep_example.conformance import FakeSlate, running_slate


@pytest.fixture(scope="module")
def slate() -> Iterator[FakeSlate]:
    """Serve Slate."""
    yield from running_slate()
