"""Signing in at an OpenID provider, as a person does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes.browser_house import BrowserHouse, Visitor, browser_house
from fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, oidc_provider_in_thread
from playwright.sync_api import expect

pytestmark = pytest.mark.xdist_group("browser-schedules")

Visit = Callable[..., Visitor]


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs scripts."""
    return bool(request.param)


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    """A provider on loopback."""
    with oidc_provider_in_thread() as found:
        yield found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: OidcProvider) -> Iterator[BrowserHouse]:
    """A house whose users may sign in at that provider."""
    oidc = (
        f'issuer = "{provider.url}"\nclient_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
        'roles = { viewer = ["staff"], operator = ["archive-team"] }\nlabel = "Sign in with your campus account"'
    )
    with browser_house(tmp_path_factory.mktemp("openid"), settings={"oidc": oidc}) as found:
        yield found


def test_the_provider_signs_in_with_the_role_of_its_claim(
    house: BrowserHouse, visit: Visit, provider: OidcProvider, javascript: bool
) -> None:
    """The button leads to the provider and back to the page that was asked for, in the role that its claim gives."""
    provider.lie = None
    provider.claims = {"sub": "17", "preferred_username": "grace", "groups": ["archive-team"]}
    visitor = visit(None, javascript=javascript)
    visitor.open("/schedules")
    visitor.follow("Sign in with your campus account")
    assert visitor.page.url == f"{house.daemon.url}/schedules"
    visitor.follow("grace")
    visitor.sees("and have no password here.")
    visitor.follow("Imports")
    expect(visitor.page.get_by_role("button", name="Pause all")).to_be_visible()
    visitor.press("Sign out")

    # the next sign-in sets the role anew
    provider.claims["groups"] = ["staff"]
    visitor.follow("Sign in with your campus account")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Imports")
    expect(visitor.page.get_by_role("button", name="Pause all")).to_have_count(0)


def test_whom_no_role_fits_stays_out(
    house: BrowserHouse, visit: Visit, provider: OidcProvider, javascript: bool
) -> None:
    """Somebody whom the provider knows, but whose claim gives no role, is told so, and is no user afterwards."""
    provider.lie = None
    provider.claims = {"sub": "18", "preferred_username": "guest", "groups": ["students"]}
    visitor = visit(None, javascript=javascript)
    visitor.open("/")
    visitor.follow("Sign in with your campus account")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("You may not do this")
    visitor.open("/")

    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "guest" not in {each["name"] for each in house.daemon.get("/users")["items"]}


def test_a_provider_that_is_down_leaves_the_password(visit: Visit, provider: OidcProvider, javascript: bool) -> None:
    """A provider that lies or does not answer is an error page that says so; passwords work all the same."""
    provider.lie = "nonce"
    visitor = visit(None, javascript=javascript)
    visitor.open("/sign-in")
    visitor.follow("Sign in with your campus account")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("The OpenID provider cannot be used")
    expect(visitor.page.get_by_role("main")).to_contain_text("sign in with a password")
    visitor.open("/sign-in")

    expect(visitor.page.get_by_label("Password")).to_be_visible()
