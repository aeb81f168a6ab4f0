"""The console's doors: who may open what, forms of other sites, sessions, cookies, headers, and hostile names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from fakes.console_house import PASSWORD, Browser, ConsoleHouse, form_token_of, in_console

from coursekeep_daemon.console import create_console
from coursekeep_daemon.console.pages import static_address
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import ItemPlan, Role, UserChange

ANYONE = None
VIEWER, OPERATOR, ADMINISTRATOR = Role

#: every route of the console and the role that it needs; add yours here, one line a route
ROUTES: dict[str, Role | None] = {
    "GET /sign-in": ANYONE,
    "POST /sign-in": ANYONE,
    "GET /sign-in/oidc": ANYONE,
    "GET /sign-in/oidc/callback": ANYONE,
    "GET /static/{name}": ANYONE,
    "POST /sign-out": VIEWER,
    "GET /account": VIEWER,
    "POST /account/display": VIEWER,
    "POST /account/password": VIEWER,
    "POST /account/tokens": VIEWER,
    "POST /account/tokens/{token_id}/revoke": VIEWER,
    "POST /account/sessions/{session_id}/end": VIEWER,
    "POST /account/sign-out-everywhere": VIEWER,
    "GET /": VIEWER,
    "POST /pause": OPERATOR,
    "POST /resume": OPERATOR,
    "GET /events": VIEWER,
    "GET /statuses": VIEWER,
    "GET /runs/{run_id}": VIEWER,
    "GET /runs/{run_id}/items.csv": VIEWER,
    "POST /runs/{run_id}/pause": OPERATOR,
    "POST /runs/{run_id}/resume": OPERATOR,
    "POST /runs/{run_id}/cancel": OPERATOR,
    "POST /runs/{run_id}/reimport": OPERATOR,
    "GET /integrations/{name}": VIEWER,
    "POST /integrations/{name}/check": OPERATOR,
    "POST /integrations/{name}/pause": OPERATOR,
    "POST /integrations/{name}/resume": OPERATOR,
    "POST /integrations/{name}/terms/refresh": OPERATOR,
    "GET /connectors": VIEWER,
    "GET /connectors/{name}": OPERATOR,
    "POST /connectors/{name}": OPERATOR,
    "GET /activity": VIEWER,
    "GET /imports/new": OPERATOR,
    "POST /imports/new": OPERATOR,
    "GET /courses": VIEWER,
    "GET /packages/{package_id}": VIEWER,
    "POST /packages/{package_id}/verify": OPERATOR,
    "GET /fixity": VIEWER,
    "POST /fixity/findings/{finding_id}/accept": ADMINISTRATOR,
    "GET /packages/{package_id}/versions/{version}/download": OPERATOR,
    "GET /system": VIEWER,
    "GET /schedules": VIEWER,
    "GET /schedules/{name}": VIEWER,
    "GET /schedules/{name}/preview": VIEWER,
    "POST /schedules/{name}/preview": OPERATOR,
    "POST /schedules/{name}/run": OPERATOR,
    "POST /schedules/{name}/enable": ADMINISTRATOR,
    "POST /schedules/{name}/disable": ADMINISTRATOR,
    "POST /schedules/{name}/delete": ADMINISTRATOR,
    "GET /schedules/new": ADMINISTRATOR,
    "POST /schedules/new": ADMINISTRATOR,
    "GET /schedules/{name}/edit": ADMINISTRATOR,
    "POST /schedules/{name}/edit": ADMINISTRATOR,
    "GET /notifications": VIEWER,
    "POST /notifications/targets/{name}/test": OPERATOR,
    "GET /users": ADMINISTRATOR,
    "GET /users/new": ADMINISTRATOR,
    "POST /users/new": ADMINISTRATOR,
    "GET /users/{user_id}": ADMINISTRATOR,
    "POST /users/{user_id}/role": ADMINISTRATOR,
    "POST /users/{user_id}/disable": ADMINISTRATOR,
    "POST /users/{user_id}/enable": ADMINISTRATOR,
    "POST /users/{user_id}/password": ADMINISTRATOR,
    "POST /users/{user_id}/sign-out": ADMINISTRATOR,
    "POST /users/{user_id}/tokens/{token_id}/revoke": ADMINISTRATOR,
}

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def _routes(routes: Iterable[Any]) -> set[str]:
    found: set[str] = set()
    for route in routes:
        inner = getattr(getattr(route, "original_router", route), "routes", None)
        if inner is not None:
            found |= _routes(inner)
        else:
            found |= {f"{method} {route.path}" for method in route.methods - {"HEAD"}}
    return found


def _address(path: str) -> str:
    return re.sub(r"{\w+_id}|{version}", "999", path.replace("{name}", "nothing"))


def _posts() -> list[str]:
    return [route.partition(" ")[2] for route in ROUTES if route.startswith("POST")]


async def _token(browser: Browser) -> str:
    return form_token_of((await browser.get("/account")).text)


def test_the_table_holds_every_route() -> None:
    """The table of this test names every route of the console, so that a new one cannot be forgotten."""
    assert _routes(create_console(None, asyncio.Event(), None).routes) == set(ROUTES)  # type: ignore[arg-type]


def test_a_route_lets_in_its_role_and_those_above() -> None:
    """Nobody is led to the sign-in, too low a role gets 403, and a sufficient one neither, on every route."""

    async def test(house: ConsoleHouse) -> None:
        house.api.app.state.closing.set()  # so that the endless answer of /events ends
        wrong = {}
        for role in (None, *Role):
            browser = house.browser() if role is None else await house.signed_in(role)
            for route, needed in ROUTES.items():
                method, _, path = route.partition(" ")
                if needed is ANYONE:
                    continue
                found = await _outcome(browser, method, _address(path), role)
                expected = "sign in" if role is None else "in" if role.includes(needed) else "forbidden"
                if found != expected:
                    wrong[route, role] = found
                if path in ("/sign-out", "/account/sign-out-everywhere") and role is not None:
                    browser = await house.signed_in(role)

        assert wrong == {}

    in_console(test)


async def _outcome(browser: Browser, method: str, path: str, role: Role | None) -> str:
    data = {"form_token": await _token(browser)} if method == "POST" and role is not None else None
    answer = await browser.client.request(method, path, data=data)
    if answer.status_code == 403:
        return "forbidden"
    led = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
    return "sign in" if led and "coursekeep_said" not in answer.headers.get("set-cookie", "") else "in"


@pytest.mark.parametrize(
    "attack",
    ["no token", "token of another session", "token of letters beyond ASCII", "cross-site", "same-site", "origin"],
)
def test_a_form_of_another_site_does_nothing(attack: str) -> None:
    """No POST of the console is obeyed without this session's token, or where the browser names another site."""

    async def test(house: ConsoleHouse) -> None:
        mine, other = await house.signed_in("administrator"), await house.signed_in("administrator")
        token = await _token(other if attack == "token of another session" else mine)
        headers = {
            "cross-site": {"Sec-Fetch-Site": "cross-site"},
            "same-site": {"Sec-Fetch-Site": "same-site"},
            "origin": {"Origin": "https://evil.example"},
        }.get(attack, {})
        if attack == "token of letters beyond ASCII":
            token = "ключ"
        data = {} if attack == "no token" else {"form_token": token}
        before, wrong = await _state(house), {}
        for path in _posts():
            if path == "/sign-in":
                continue
            answer = await mine.client.post(_address(path).replace("999", "1"), data=data, headers=headers)
            if answer.status_code != 403:
                wrong[path] = answer.status_code

        assert wrong == {}
        assert await _state(house) == before

    in_console(test)


async def _state(house: ConsoleHouse) -> object:
    store = house.api.store
    users = await store.users()
    sessions = [(each.id, each.user_id) for user in users for each in await store.sessions(user.id)]
    tokens = [(each.name, each.revoked_at) for each in await store.tokens()]
    return users, sessions, tokens, await store.pauses(), (await store.runs()).items


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_the_sign_in_form_is_ours(headers: dict[str, str]) -> None:
    """Nobody is signed in by a form of another site, not even with the right password."""

    async def test(house: ConsoleHouse) -> None:
        await house.signed_in("viewer")
        browser = house.browser()
        token = form_token_of((await browser.get("/sign-in")).text) if headers else "made up"
        fields = {"form_token": token, "name": "viewer", "password": PASSWORD}
        answer = await browser.client.post("/sign-in", data=fields, headers=headers)

        assert answer.status_code == 403
        assert "coursekeep" not in answer.cookies

    in_console(test)


def test_a_session_is_new_at_each_sign_in_and_ends_on_the_server() -> None:
    """A cookie set before the sign-in is not the one after it; after the sign-out the old one opens nothing."""

    async def test(house: ConsoleHouse) -> None:
        await house.signed_in("viewer")
        browser = house.browser()
        browser.client.cookies.set("coursekeep", "cks_fixed")
        token = form_token_of((await browser.get("/sign-in")).text)
        fields = {"form_token": token, "name": "viewer", "password": PASSWORD}
        answer = await browser.client.post("/sign-in", data=fields)
        secret = answer.cookies["coursekeep"]
        thief = _with_cookie(house, secret)
        inside = await thief.get("/account")
        await _with_cookie(house, secret).post("/sign-out")
        outside = await thief.get("/account")

        assert secret != "cks_fixed"
        assert (await _with_cookie(house, "cks_fixed").get("/account")).status_code == 303
        assert (inside.status_code, outside.status_code) == (200, 303)

    in_console(test)


def _with_cookie(house: ConsoleHouse, secret: str) -> Browser:
    browser = house.browser()
    browser.client.cookies.set("coursekeep", secret)
    return browser


def test_a_disabled_user_and_a_lowered_role_hold_at_once() -> None:
    """The next request of a disabled user leads to the sign-in, and a lowered role forbids at once."""

    async def test(house: ConsoleHouse) -> None:
        await house.signed_in("administrator")
        browser = await house.signed_in("operator")
        user = await house.api.store.user("operator")
        assert user is not None
        await house.api.store.change_user(user.id, UserChange(role=Role.VIEWER))
        lowered = await browser.post("/pause")
        await house.api.store.change_user(user.id, UserChange(disabled=True))
        gone = await browser.get("/")

        assert lowered.status_code == 403
        assert (gone.status_code, gone.headers["location"]) == (303, "/sign-in")

    in_console(test)


@pytest.mark.parametrize(
    ("public_url", "name", "secure"),
    [(None, "coursekeep", False), ("https://archive.example.edu", "__Host-coursekeep", True)],
)
def test_cookies_are_kept_from_scripts_and_other_sites(public_url: str | None, name: str, secure: bool) -> None:
    """Session cookies are HttpOnly and SameSite; with an https address also Secure and bound to the host."""

    async def test(house: ConsoleHouse) -> None:
        daemon = house.api.service.settings.daemon.model_copy(update={"public_url": public_url})
        house.api.service.settings = house.api.service.settings.model_copy(update={"daemon": daemon})
        await house.api.service.accounts.add("ada", Role.VIEWER, PASSWORD)
        browser = house.browser()
        if secure:
            browser.client.base_url = httpx.URL("https://daemon")
        form = await browser.get("/sign-in")
        fields = {"form_token": form_token_of(form.text), "name": "ada", "password": PASSWORD}
        answer = await browser.client.post("/sign-in", data=fields)
        (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{name}=")]
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}

        assert {"httponly", "samesite=lax", "path=/"} <= parts
        assert ("secure" in parts) == secure
        assert not any(part.startswith("domain") for part in parts)
        assert "httponly" in form.headers["set-cookie"].lower()
        assert "samesite=strict" in form.headers["set-cookie"].lower()

    in_console(test)


def test_every_answer_keeps_browsers_careful() -> None:
    """Pages, redirects, errors and forms' answers forbid inline scripts, frames, sniffing and keeping."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("administrator")
        token = await _token(browser)
        answers = [
            await browser.get("/"),
            await browser.get("/users"),
            await browser.get("/nonsense"),
            await browser.get("/runs/999"),
            await browser.client.post("/pause", data={}),
            await browser.client.post("/pause", data={"form_token": token}),
            await browser.client.post(
                "/account/tokens", data={"form_token": token, "token_name": "t", "scope": "read"}
            ),
            await house.browser().get("/"),
            await house.browser().get("/sign-in"),
        ]
        assert {each.status_code for each in answers} == {200, 201, 303, 403, 404}
        for answer in answers:
            headers = answer.headers
            assert "unsafe" not in headers["content-security-policy"]
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["cache-control"] == "no-store"
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"]
            assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|javascript:", answer.text)
        kept = await browser.get(static_address("console.css"))
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"

    in_console(test)


def test_what_others_wrote_stays_text() -> None:
    """Names, reasons, notes, addresses, browsers and audit details are shown as text on every page that shows them."""

    async def test(house: ConsoleHouse) -> None:
        store = house.api.store
        await store.sync_integrations([("main", "canvas", {"base_url": EVIL, "account": EVIL})])
        run, _ = await store.create_run(
            integration="main", source="ids", params={"ids": [EVIL]}, on_existing="skip", note=EVIL, created_by=EVIL
        )
        plan = ItemPlan(
            ref=EVIL,
            course_name=EVIL,
            course_code=EVIL,
            status=ItemStatus.FAILED,
            reason="no_access",
            detail=EVIL,
        )
        await store.add_items(run.id, [plan])
        await store.audit(EVIL, EVIL, EVIL, EVIL, {EVIL: EVIL})
        await store.create_user(EVIL, Role.VIEWER)
        browser = await house.signed_in("administrator")
        admin = await store.user("administrator")
        evil = await store.user(EVIL)
        assert admin is not None
        assert evil is not None
        await store.create_session(admin.id, agent=EVIL, lifetime=house.api.service.accounts._lifetime)
        await store.create_token(EVIL, "read", user="administrator")
        pages = ["/", f"/runs/{run.id}", "/integrations/main", "/account", "/activity", "/users", f"/users/{evil.id}"]
        for path in pages:
            text = (await browser.get(path)).text
            assert "&lt;script&gt;alert(1)" in text, path
            assert "<script>alert" not in text, path
            assert "<img src=x" not in text, path
            assert "49" not in re.findall(r"alert\(1\)&gt;(\S+)", text), path
        typed = await browser.post("/account/tokens", token_name=EVIL, scope="read")
        assert (typed.status_code, "<script>alert" in typed.text) == (422, False)

    in_console(test)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_download_runs_in_no_spreadsheet(start: str) -> None:
    """A course whose name begins like a formula is text in the console's CSV."""

    async def test(house: ConsoleHouse) -> None:
        store = house.api.store
        run, _ = await store.create_run(
            integration="main", source="ids", params={"ids": ["7"]}, on_existing="skip", note=None, created_by="x"
        )
        name = f"{start}HYPERLINK(1)"
        await store.add_items(run.id, [ItemPlan(ref="7", course_name=name, course_code=name)])
        browser = await house.signed_in("viewer")
        answer = await browser.get(f"/runs/{run.id}/items.csv")

        assert answer.headers["content-type"].startswith("text/csv")
        assert f"'{start}HYPERLINK(1)" in answer.text
        assert not re.search(rf'(^|,|"){re.escape(start)}HYPERLINK', answer.text)

    in_console(test)
