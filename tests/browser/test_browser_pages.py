"""What holds for every page: it is accessible in both themes, fits a phone, works without JavaScript, has a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes.browser_house import BrowserHouse, Visitor
from fakes.browser_pages import PAGES, PageCase, tell

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
def test_pages_are_accessible(looking: Look, case: PageCase) -> None:
    """axe-core finds no breach of WCAG 2.2 AA or of its best practices, in either theme."""
    found = []
    with looking(case) as visitor:
        for theme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            results = Axe().run(visitor.page, options={"runOnly": {"type": "tag", "values": RULES}})
            found += [
                f"{theme}: {rule['id']} at {node['target']}: {rule['help']}\n{node['failureSummary']}"
                for rule in results.response["violations"]
                for node in rule["nodes"]
            ]

    assert not found, "\n\n".join(found)


@every_page
def test_pages_fit_a_phone(looking: Look, case: PageCase) -> None:
    """On a narrow screen nothing reaches beyond the page's edge; wide tables scroll within themselves."""
    with looking(case, viewport={"width": 390, "height": 780}) as visitor:
        for width in (390, 320):
            visitor.page.set_viewport_size({"width": width, "height": 780})
            assert visitor.page.evaluate(_BEYOND_THE_EDGE) == [], f"at {width} pixels"


@every_page
def test_pages_say_the_same_without_javascript(looking: Look, case: PageCase) -> None:
    """Without JavaScript a page has the same headings, links and buttons; and the script breaks no policy."""
    shown = []
    for javascript in (True, False):
        with looking(case, javascript=javascript) as visitor:
            parts = visitor.page.locator("h1, h2, h3, main a, main button")
            shown.append(parts.all_inner_texts())

    assert shown[0] == shown[1]


@every_page
def test_every_page_has_a_picture(looking: Look, case: PageCase, tmp_path: Path) -> None:
    """The documentation has a picture of each page; `make screenshots` makes them anew."""
    folder = Path(PICTURES_TO) if PICTURES_TO and case.pictured else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{case.name}.png"
    with looking(case, color_scheme="light", viewport=PICTURE) as visitor:
        visitor.page.screenshot(path=picture)

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not case.pictured or (IMAGES / f"{case.name}.png").is_file(), "make screenshots, and commit docs/images"


def test_no_picture_is_left_over() -> None:
    """Each picture of the documentation is of a page in the list."""
    assert {each.stem for each in IMAGES.glob("*.png")} <= {case.name for case in PAGES if case.pictured}
