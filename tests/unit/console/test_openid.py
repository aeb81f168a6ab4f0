"""Sign-in with OpenID Connect, against a provider over loopback that lies where it can."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fakes.console_house import Browser, ConsoleHouse, in_console
from fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, Lie, OidcProvider, oidc_provider

from coursekeep_daemon.openid import OpenId
from coursekeep_daemon.roles import Role
from coursekeep_daemon.settings import OidcSettings

Test = Callable[[ConsoleHouse, OidcProvider], Awaitable[None]]

ROLES: dict[Role, tuple[str, ...]] = {Role.VIEWER: ("*",), Role.OPERATOR: ("archive",), Role.ADMINISTRATOR: ("it",)}


def _test(test: Test, roles: dict[Role, tuple[str, ...]] = ROLES) -> None:
    async def main(house: ConsoleHouse) -> None:
        async with oidc_provider() as provider:
            settings = OidcSettings(issuer=provider.url, client_id=CLIENT_ID, roles=roles, label="Campus account")
            house.api.service.openid = OpenId(house.api.store, settings, CLIENT_SECRET)
            await test(house, provider)

    in_console(main)


async def _to_provider(browser: Browser, wanted: str = "/statuses") -> str:
    """Go to the provider, let it sign in, and return the address that it leads back to."""
    away = await browser.get(f"/sign-in/oidc?next={wanted}")
    assert away.status_code == 303, away.text
    async with httpx.AsyncClient() as elsewhere:
        back = await elsewhere.get(away.headers["location"])
    assert back.headers["location"].startswith("http://daemon/sign-in/oidc/callback?")
    return str(back.headers["location"])


def _path(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


async def _sign_in(house: ConsoleHouse) -> tuple[Browser, httpx.Response]:
    browser = house.browser()
    return browser, await browser.get(_path(await _to_provider(browser)))


def test_the_first_sign_in_adds_the_user_and_leads_to_the_page() -> None:
    """Who signs in at the provider gets an account bound to issuer and subject, the role of the claim, and the page."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        provider.claims |= {"groups": ["archive", "students"]}
        form = await house.browser().get("/sign-in?next=/statuses")
        browser, answer = await _sign_in(house)
        user = await house.api.store.user("grace")

        assert "Campus account" in form.text
        assert "/sign-in/oidc?next=/statuses" in form.text
        assert (answer.status_code, answer.headers["location"]) == (303, "/statuses")
        assert (await browser.get("/statuses")).status_code == 200
        assert user is not None
        assert (user.role, user.issuer, user.subject) == (Role.OPERATOR, provider.url, "17")
        assert (await house.api.store.audit_events(who="grace", action="sign_in")).items[0].detail == {"via": "openid"}

    _test(test)


def test_the_role_is_set_anew_at_each_sign_in() -> None:
    """The claim decides each time; the same subject is the same user, whatever name the provider gives later."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        for groups, role in ((["it"], Role.ADMINISTRATOR), ("archive", Role.OPERATOR), ([], Role.VIEWER)):
            provider.claims |= {"groups": groups, "preferred_username": f"grace {role}"}
            await _sign_in(house)
            (user,) = [each for each in await house.api.store.users() if each.issuer]
            assert (user.name, user.role) == ("grace administrator", role)

    _test(test)


def test_nobody_without_a_role_gets_in() -> None:
    """Without a fitting value of the claim there is a page that says so, and no account."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        _, answer = await _sign_in(house)

        assert (answer.status_code, "has no role in Coursekeep" in answer.text) == (403, True)
        assert await house.api.store.user("grace") is None
        (refused,) = (await house.api.store.audit_events(action="sign_in")).items
        assert (refused.who, refused.result) == ("", "refused")

    _test(test, {Role.OPERATOR: ("archive",)})


def test_who_lost_every_role_is_signed_out_everywhere() -> None:
    """A sign-in that the claim allows no longer ends the sessions that it allowed before."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        provider.claims |= {"groups": ["archive"]}
        before, _ = await _sign_in(house)
        inside = await before.get("/account")
        provider.claims |= {"groups": ["elsewhere"]}
        await _sign_in(house)
        after = await before.get("/account")

        assert (inside.status_code, after.status_code) == (200, 303)

    _test(test, {Role.OPERATOR: ("archive",)})


def test_a_local_user_is_never_taken_over() -> None:
    """A provider's account with the name of a local user is refused with who to ask; the local user stays as it is."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        local = await house.api.store.create_user("Grace", Role.ADMINISTRATOR)
        _, answer = await _sign_in(house)

        assert (answer.status_code, "another account named grace" in answer.text) == (403, True)
        assert await house.api.store.user("grace") == local

    _test(test)


def test_a_disabled_user_stays_out() -> None:
    """What the provider says does not let in whom an administrator disabled."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        await _sign_in(house)
        user = await house.api.store.user("grace")
        assert user is not None
        await house.api.service.accounts.change(user, disabled=True)
        _, answer = await _sign_in(house)

        assert (answer.status_code, "is disabled" in answer.text) == (403, True)

    _test(test)


@pytest.mark.parametrize("lie", ["nonce", "no_nonce", "audience", "expired", "key", "none", "hmac", "no_token"])
def test_an_id_token_that_is_not_for_us_now_is_refused(lie: Lie) -> None:
    """A wrong nonce, audience, time, key or algorithm lets nobody in: a calm page, no user, no session."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        provider.lie = lie
        browser, answer = await _sign_in(house)

        assert (answer.status_code, "cannot be used now" in answer.text) == (502, True)
        assert (await browser.get("/")).status_code == 303
        assert await house.api.store.user("grace") is None

    _test(test)


@pytest.mark.parametrize("lie", ["down", "issuer", "long"])
def test_a_provider_that_is_down_or_another_gives_a_calm_page(lie: Lie) -> None:
    """Where the provider's description cannot be had or believed, the page says so; later all is well again."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        provider.lie = lie
        answer = await house.browser().get("/sign-in/oidc")
        provider.lie = None

        assert (answer.status_code, "The OpenID provider cannot be used" in answer.text) == (502, True)
        assert (await _sign_in(house))[1].status_code == 303

    _test(test)


def test_a_sign_in_is_used_once_and_in_its_browser_only() -> None:
    """The address that the provider leads to works once, in the browser that began, with its own state."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        browser, other = house.browser(), house.browser()
        back = _path(await _to_provider(browser))
        await _to_provider(other)
        answers = {
            "no browser": await house.browser().get(back),
            "another browser": await other.get(back),
            "another state": await browser.get("/sign-in/oidc/callback?code=x&state=y"),
        }
        cookies = list(browser.client.cookies.jar)
        good = await browser.get(back)
        for cookie in cookies:
            browser.client.cookies.jar.set_cookie(cookie)
        answers["again"] = await browser.get(back)

        assert good.status_code == 303
        assert {name: each.status_code for name, each in answers.items()} == dict.fromkeys(answers, 403)

    _test(test)


def test_a_code_of_another_sign_in_is_refused() -> None:
    """A code that somebody else got does not fit this browser's verifier."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        browser, other = house.browser(), house.browser()
        mine, theirs = await _to_provider(browser), await _to_provider(other)
        code = httpx.URL(theirs).params["code"]
        answer = await browser.get(_path(str(httpx.URL(mine).copy_set_param("code", code))))

        assert answer.status_code == 502
        assert (await browser.get("/")).status_code == 303

    _test(test)


def test_an_old_sign_in_is_refused_and_the_cookie_is_careful() -> None:
    """Ten minutes after it began a sign-in is over. Its cookie is for this path, HttpOnly and SameSite=Lax."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        now = [1_000_000.0]
        settings = house.api.service.openid._settings
        house.api.service.openid = OpenId(house.api.store, settings, CLIENT_SECRET, clock=lambda: now[0])
        browser = house.browser()
        away = await browser.get("/sign-in/oidc")
        now[0] += 600
        state = httpx.URL(away.headers["location"]).params["state"]
        answer = await browser.get(f"/sign-in/oidc/callback?code=x&state={state}")

        cookie = away.headers["set-cookie"].lower()
        assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/sign-in/oidc", "max-age=600"))
        assert answer.status_code == 403

    _test(test)


def test_who_says_no_at_the_provider_is_told() -> None:
    """An error of the provider gives a page, and its text is shown nowhere."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        browser = house.browser()
        back = httpx.URL(await _to_provider(browser))
        state = back.params["state"]
        answer = await browser.get(f"/sign-in/oidc/callback?error=access_denied&error_description=EVIL&state={state}")

        assert (answer.status_code, "EVIL" in answer.text) == (403, False)

    _test(test)


def test_a_user_of_the_provider_has_no_password_here() -> None:
    """An administrator cannot give a password to an account that signs in at the provider."""

    async def test(house: ConsoleHouse, provider: OidcProvider) -> None:
        await _sign_in(house)
        user = await house.api.store.user("grace")
        assert user is not None
        async with house.api.client("admin") as client:
            answer = await client.patch("/users/grace", json={"password": "correct horse battery staple"})

        assert (answer.status_code, "OpenID Connect" in answer.json()["detail"]) == (409, True)

    _test(test)


def test_without_settings_there_is_no_such_sign_in() -> None:
    """Where `[oidc]` is not set the form has no button, and the address is a page that says what would set it up."""

    async def test(house: ConsoleHouse) -> None:
        browser = house.browser()
        form, away = await browser.get("/sign-in"), await browser.get("/sign-in/oidc")

        assert "OpenID" not in form.text
        assert (away.status_code, "not set up" in away.text) == (404, True)

    in_console(test)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"issuer": "http://login.example.edu"}, "https"),
        ({"client_id": ""}, "client_id"),
        ({"roles": {}}, "roles"),
        ({"roles": {"root": ["it"]}}, "viewer"),
    ],
)
def test_settings_that_would_be_unsafe_are_refused(changes: dict[str, Any], says: str) -> None:
    """A provider without https, a client without a name, and roles that nobody has or that do not exist are refused."""
    good = {"issuer": "https://login.example.edu", "client_id": "coursekeep", "roles": {"viewer": ["*"]}}
    OidcSettings.model_validate(good)

    with pytest.raises(ValueError, match=says):
        OidcSettings.model_validate(good | changes)
