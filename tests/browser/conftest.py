"""The house of each module, and people in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fakes.browser_house import BrowserHouse, Visitor, browser_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserHouse]:
    """A campus, a daemon and a Chromium of this module."""
    with browser_house(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def visit(house: BrowserHouse) -> Iterator[Callable[..., Visitor]]:
    """Open browsers, as `BrowserHouse.visitor` does, and close them at the end of the test."""
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(house.visitor(*arguments, **options))
