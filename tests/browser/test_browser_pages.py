"""What holds for every page: it is accessible in both themes, fits a phone, works without JavaScript, has a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes.browser_house import BrowserHouse, Visitor
from fakes.browser_pages import PAGES, PageCase, tell
from playwright.sync_api import Page

pytestmark = pytest.mark.xdist_group("browser-pages")

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
#: set by `make screenshots`: where the pictures of the documentation go
PICTURES_TO = os.environ.get("COURSEKEEP_SCREENSHOTS")
PICTURE = {"width": 1280, "height": 860}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

#: what is wider than the page, if the page scrolls sideways
_BEYOND_THE_EDGE = """() => {
    const { scrollWidth, clientWidth } = document.scrollingElement;
    if (scrollWidth <= clientWidth) return [];
    const beyond = [...document.body.querySelectorAll("*")].filter(
        (each) => each.getBoundingClientRect().right > clientWidth && !each.parentElement.closest(".scroll"));
    return [`${scrollWidth} pixels`, ...beyond.map((each) => each.outerHTML.slice(0, 80))];
}"""

every_page = pytest.mark.parametrize("case", PAGES, ids=str)


@pytest.fixture(scope="module")
def told(house: BrowserHouse) -> Any:
    """What has happened before anybody looks."""
    return tell(house)


@pytest.fixture(scope="module")
def fresh(house: BrowserHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserHouse]:
    """A daemon in which nothing has happened."""
    with house.just_installed(tmp_path_factory.mktemp("fresh")) as found:
        yield found


Look = Callable[..., AbstractContextManager[Visitor]]


@pytest.fixture
def looking(house: BrowserHouse, told: Any, fresh: BrowserHouse) -> Look:
    """Open a page as its case says."""
    return lambda case, **options: _looking(fresh if case.fresh else house, told, case, **options)


@contextmanager
def _looking(house: BrowserHouse, told: Any, case: PageCase, **options: Any) -> Iterator[Visitor]:
    with house.visitor(case.role, **options) as visitor:
        answer = visitor.page.goto(case.path.format(**told))
        assert answer is not None
        assert answer.status == case.status
        if visitor.javascript and visitor.page.locator("body").get_attribute("data-events"):
            visitor.is_live()
        if case.prepare is not None:
            case.prepare(visitor.page)
        yield visitor


@every_page
def test_every_page_is_for_everybody(looking: Look, case: PageCase, tmp_path: Path) -> None:
    """A page has a picture, is accessible in both themes, fits a phone, and says the same without JavaScript.

    One test, since opening a page takes longer than looking at it.
    """
    with looking(case, color_scheme="light", viewport=PICTURE) as visitor:
        _take_picture(visitor.page, case, tmp_path)
        said = _said(visitor.page)
        barriers = [each for theme in ("light", "dark") for each in _barriers(visitor.page, theme)]
        too_wide = [each for width in (390, 320) for each in _beyond_the_edge(visitor.page, width)]
    with looking(case, javascript=False) as visitor:
        said_without = _said(visitor.page)

    assert not barriers, "\n\n".join(barriers)
    assert too_wide == []
    assert said_without == said
    assert not case.pictured or (IMAGES / f"{case.name}.png").is_file(), "make screenshots, and commit docs/images"


def _take_picture(page: Page, case: PageCase, tmp_path: Path) -> None:
    """Take the picture of a page: for the documentation where `make screenshots` asks for it, else for nobody."""
    folder = Path(PICTURES_TO) if PICTURES_TO and case.pictured else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{case.name}.png")


def _said(page: Page) -> list[str]:
    """Return the headings, links and buttons of a page."""
    return page.locator("h1, h2, h3, main a, main button").all_inner_texts()


def _barriers(page: Page, theme: Literal["light", "dark"]) -> list[str]:
    """Return the breaches of WCAG 2.2 AA and of axe-core's best practices, with what to do."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    results = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [
        f"{theme}: {rule['id']} at {node['target']}: {rule['help']}\n{node['failureSummary']}"
        for rule in results.response["violations"]
        for node in rule["nodes"]
    ]


def _beyond_the_edge(page: Page, width: int) -> list[str]:
    """Return what reaches beyond the page's edge on a narrow screen; wide tables scroll within themselves."""
    page.set_viewport_size({"width": width, "height": 780})
    return [f"at {width} pixels: {each}" for each in page.evaluate(_BEYOND_THE_EDGE)]


def test_no_picture_is_left_over() -> None:
    """Each picture of the documentation is of a page in the list."""
    assert {each.stem for each in IMAGES.glob("*.png")} <= {case.name for case in PAGES if case.pictured}
