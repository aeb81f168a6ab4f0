"""The pages of accounts: one's own, all users, activity, and what too many attempts get."""

from __future__ import annotations

import re

from fakes.console_house import PASSWORD, ConsoleHouse, form_token_of, in_console

from coursekeep_daemon.store import Role

NEW = "another long password"


def test_too_many_attempts_are_told_when_to_try_again() -> None:
    """After five failures the form comes back with 429, the name, and when to try again; the audit has no such name."""

    async def test(house: ConsoleHouse) -> None:
        browser = house.browser()
        for _ in range(5):
            token = form_token_of((await browser.get("/sign-in")).text)
            await browser.client.post("/sign-in", data={"form_token": token, "name": "my password", "password": "x"})
        token = form_token_of((await browser.get("/sign-in")).text)
        answer = await browser.client.post(
            "/sign-in", data={"form_token": token, "name": "my password", "password": "x"}
        )
        events = (await house.api.store.audit_events(action="sign_in")).items

        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 15
        assert 'value="my password"' in answer.text
        assert "Try again at" in answer.text
        assert {(each.who, each.result, each.detail["address"]) for each in events} == {("", "refused", "127.0.0.1")}
        assert "my password" not in str(events)

    in_console(test)


def test_ones_own_password_is_changed() -> None:
    """The current password is asked for; then the other browsers are out, this one stays, and the new one works."""

    async def test(house: ConsoleHouse) -> None:
        browser, other = await house.signed_in("viewer"), await house.signed_in("viewer")
        fields = {"current": PASSWORD, "password": NEW, "again": NEW}
        for change, says in (
            ({"current": "wrong"}, "not your current password"),
            ({"again": "differs"}, "two passwords differ"),
            ({"password": "short", "again": "short"}, "12 characters"),
        ):
            refused = await browser.post("/account/password", **fields | change)
            assert (refused.status_code, says in refused.text) == (422, True)
            assert PASSWORD not in refused.text
        done = await browser.follow(await browser.post("/account/password", **fields))

        assert "Your password is changed." in done.text
        assert (await other.get("/")).status_code == 303
        assert await house.api.service.accounts.sign_in("viewer", NEW, address="", agent="")

    in_console(test)


def test_the_current_password_cannot_be_guessed_at_a_browser_left_alone() -> None:
    """Wrong current passwords make the next attempt wait, as at the sign-in; then even the right one is not taken."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        fields = {"password": NEW, "again": NEW}
        for _ in range(5):
            assert (await browser.post("/account/password", current="wrong", **fields)).status_code == 422
        answer = await browser.post("/account/password", current=PASSWORD, **fields)

        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 15
        assert await house.api.service.accounts.sign_in("viewer", PASSWORD, address="10.0.0.9", agent="")

    in_console(test)


def test_tokens_of_ones_own_are_made_shown_once_and_revoked() -> None:
    """A token within one's role is shown on the answer page only, works, and is refused once revoked."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("operator")
        made = await browser.post("/account/tokens", token_name="nightly", scope="operate")
        (secret,) = re.findall(r"ck_[\w-]{40,}", made.text)
        page = (await browser.get("/account")).text
        above = await browser.post("/account/tokens", token_name="root", scope="admin")
        taken = await browser.post("/account/tokens", token_name="nightly", scope="read")
        token = (await house.api.store.token_for(secret) or [None])[0]
        assert token is not None
        await browser.follow(await browser.post(f"/account/tokens/{token.id}/revoke"))

        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        assert ("nightly" in page, secret in page) == (True, False)
        assert (above.status_code, "needs administrator" in above.text) == (422, True)
        assert (taken.status_code, "There is a token" in taken.text) == (422, True)
        assert await house.api.store.token_for(secret) is None

    in_console(test)


def test_sessions_and_tokens_of_others_are_out_of_reach() -> None:
    """Nobody ends a session or revokes a token of somebody else from the account page."""

    async def test(house: ConsoleHouse) -> None:
        browser, other = await house.signed_in("viewer"), await house.signed_in("operator")
        operator = await house.api.store.user("operator")
        assert operator is not None
        (session,) = await house.api.store.sessions(operator.id)
        (token,) = [each for each in await house.api.store.tokens() if each.name == "admin"]
        ended = await browser.post(f"/account/sessions/{session.id}/end")
        revoked = await browser.post(f"/account/tokens/{token.id}/revoke")

        assert (ended.status_code, revoked.status_code) == (404, 404)
        assert (await other.get("/")).status_code == 200

    in_console(test)


def test_one_signs_out_elsewhere_or_everywhere() -> None:
    """The account page marks this browser, signs out another, and signs out everywhere."""

    async def test(house: ConsoleHouse) -> None:
        browser, other = await house.signed_in("viewer"), await house.signed_in("viewer")
        viewer = await house.api.store.user("viewer")
        assert viewer is not None
        newest = (await house.api.store.sessions(viewer.id))[0]
        page = await browser.get("/account")
        await browser.follow(await browser.post(f"/account/sessions/{newest.id}/end"))
        assert page.text.count("This browser") == 1
        assert (await other.get("/")).status_code == 303
        last = await browser.post("/account/sign-out-everywhere")

        assert last.headers["location"] == "/sign-in"
        assert (await browser.get("/")).status_code == 303
        assert await house.api.store.sessions(viewer.id) == []

    in_console(test)


def test_an_administrator_keeps_users() -> None:
    """Users are added, changed, disabled, enabled, given a password and signed out from their pages."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("administrator")
        fields = {"name": "grace", "role": "viewer", "kind": "person", "password": PASSWORD, "again": PASSWORD}
        wrong = await browser.post("/users/new", **fields | {"again": "differs"})
        made = await browser.follow(await browser.post("/users/new", **fields))
        taken = await browser.post("/users/new", **fields)
        grace = await house.api.store.user("grace")
        assert grace is not None
        said = []
        for path, more in (
            ("role", {"role": "operator"}),
            ("password", {"password": NEW, "again": NEW}),
            ("sign-out", {}),
            ("disable", {}),
            ("enable", {}),
        ):
            page = await browser.follow(await browser.post(f"/users/{grace.id}/{path}", **more))
            said.append(re.findall(r'role="status"><p>([^<]+)', page.text)[0])

        assert (wrong.status_code, 'value="grace"' in wrong.text, PASSWORD in wrong.text) == (422, True, False)
        assert "grace is added." in made.text
        assert (taken.status_code, "There is a user" in taken.text) == (422, True)
        assert said == [
            "grace is operator now.",
            "grace has a new password, and is signed out everywhere.",
            "grace is signed out of 0 browsers.",
            "grace is disabled and signed out; its tokens are refused.",
            "grace may sign in again.",
        ]

    in_console(test)


def test_the_last_administrator_is_kept_by_the_pages() -> None:
    """Disabling or lowering the only administrator who can sign in is refused with what to do first."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("administrator")
        user = await house.api.store.user("administrator")
        assert user is not None
        for path in ("disable", "role"):
            answer = await browser.post(f"/users/{user.id}/{path}", role="viewer")
            assert (answer.status_code, "last administrator" in answer.text) == (409, True)

    in_console(test)


def test_activity_is_listed_filtered_and_linked() -> None:
    """The page tells in plain words who did what, links runs, filters, and goes on by pages."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        for number in range(60):
            await house.api.store.audit("ada", "run.pause", f"run {number}", "done")
        await house.api.store.audit("bob", "user.add", "carol", "refused", {"problem": "There is one.", "ok": False})
        first = (await browser.get("/activity")).text
        more = re.findall(r'href="(/activity\?cursor=[^"]+)"', first)
        second = (await browser.get(more[0])).text
        bob = (await browser.get("/activity?who=bob&action=user.add")).text
        none = (await browser.get("/activity?who=nobody")).text
        wrong = await browser.get("/activity?since=32")

        assert "Paused a run" in first
        assert '<a href="/runs/59">run 59</a>' in first
        assert '<a href="/runs/0">run 0</a>' in second
        assert ("Added a user" in bob, "There is one." in bob, "run 59" in bob) == (True, True, False)
        assert ("ok:</span> no" in bob, "False" in bob) == (True, False)
        assert "Nothing that was done fits" in none
        assert wrong.status_code == 422

    in_console(test)


def test_a_program_has_no_password_to_change() -> None:
    """A user for a program is added without a password, and the list says how each user signs in."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("administrator")
        await browser.post("/users/new", name="robot", role="viewer", kind="program")
        page = (await browser.get("/users")).text
        robot = await house.api.store.user("robot")

        assert robot is not None
        assert (robot.role, robot.signs_in_with) == (Role.VIEWER, "tokens")
        assert "Tokens alone" in page

    in_console(test)
