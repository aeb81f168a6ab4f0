"""The first pages: what they show, and that nobody sees them who is not signed in."""

from __future__ import annotations

import pytest
from fakes.console_house import PASSWORD, ConsoleHouse, form_token_of, in_console

from coursekeep_daemon.console import words
from coursekeep_daemon.runs.states import FailReason, ItemStatus, RunStatus, SkipReason
from coursekeep_daemon.store import ItemPlan


async def _run(house: ConsoleHouse, *plans: ItemPlan) -> int:
    run, _ = await house.api.store.create_run(
        integration="main", source="ids", params={"ids": ["7"]}, on_existing="skip", note=None, created_by="tester"
    )
    await house.api.store.add_items(run.id, plans)
    return run.id


def test_who_is_not_signed_in_is_led_to_the_form_and_back() -> None:
    """A page asked for without a session leads to the sign-in, and signing in leads to that page."""

    async def test(house: ConsoleHouse) -> None:
        await house.signed_in("viewer")
        browser = house.browser()
        form = await browser.follow(await browser.get("/runs/1?status=failed"))
        answer = await browser.client.post(
            "/sign-in",
            data={
                "form_token": form_token_of(form.text),
                "name": "VIEWER",
                "password": PASSWORD,
                "next": "/runs/1?status=failed",
            },
        )

        assert (answer.status_code, answer.headers["location"]) == (303, "/runs/1?status=failed")

    in_console(test)


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
def test_the_sign_in_never_leads_to_another_site(wanted: str) -> None:
    """Whatever `next` says, signing in leads to a page of this console."""

    async def test(house: ConsoleHouse) -> None:
        await house.signed_in("viewer")
        browser = house.browser()
        token = form_token_of((await browser.get("/sign-in")).text)
        fields = {"form_token": token, "name": "viewer", "password": PASSWORD, "next": wanted}

        assert (await browser.client.post("/sign-in", data=fields)).headers["location"] == "/"

    in_console(test)


def test_a_wrong_password_gives_the_form_again_with_the_name() -> None:
    """Whether the name or the password is wrong, the answer is the same, and the name is kept."""

    async def test(house: ConsoleHouse) -> None:
        await house.signed_in("viewer")
        for name in ("viewer", "nobody"):
            browser = house.browser()
            token = form_token_of((await browser.get("/sign-in")).text)
            fields = {"form_token": token, "name": name, "password": "wrong", "next": "/"}
            answer = await browser.client.post("/sign-in", data=fields)

            assert answer.status_code == 403
            assert "The name or the password is wrong." in answer.text
            assert f'value="{name}"' in answer.text
            assert "coursekeep" not in answer.cookies

    in_console(test)


def test_a_run_is_shown_with_reasons_in_plain_words() -> None:
    """The page of a run lists its courses; a reason is explained, with what to do."""

    async def test(house: ConsoleHouse) -> None:
        failed = ItemPlan(ref="7", status=ItemStatus.FAILED, reason="no_access", course_name="<b>Law</b>")
        run_id = await _run(house, failed, ItemPlan(ref="8"))
        browser = await house.signed_in("operator")
        page = (await browser.get(f"/runs/{run_id}")).text

        assert "The token may not read this course." in page
        assert "&lt;b&gt;Law&lt;/b&gt;" in page
        assert "<b>Law" not in page
        assert "Reimport all that failed" in page

    in_console(test)


def test_a_run_is_paused_resumed_canceled_and_reimported_from_its_page() -> None:
    """The buttons of a run do what they say, and the audit names who pressed them."""

    async def test(house: ConsoleHouse) -> None:
        run_id = await _run(house, ItemPlan(ref="7", status=ItemStatus.FAILED, reason="no_access"), ItemPlan(ref="8"))
        browser = await house.signed_in("operator")
        for action, said in (
            ("pause", "The run is paused."),
            ("resume", "The run goes on."),
            ("pause", "The run is paused."),
            ("cancel", "The run is canceled."),
        ):
            page = await browser.follow(await browser.post(f"/runs/{run_id}/{action}"))
            assert said in page.text
        page = await browser.follow(await browser.post(f"/runs/{run_id}/reimport", all="yes"))
        again = await browser.post(f"/runs/{run_id}/reimport", all="yes")

        assert f"This run takes 1 course of run {run_id} again." in page.text
        assert again.status_code == 409
        assert "That is not possible now" in again.text
        events = (await house.api.store.audit_events(target=f"run {run_id}")).items
        done = [each.action for each in events if each.result == "done" and each.who == "operator"]
        assert done == ["run.reimport", "run.cancel", "run.pause", "run.resume", "run.pause"]

    in_console(test)


def test_only_ticked_courses_are_reimported() -> None:
    """A reimport of ticked courses takes these only; without a tick it says so and starts nothing."""

    async def test(house: ConsoleHouse) -> None:
        plans = [ItemPlan(ref=ref, status=ItemStatus.FAILED, reason="no_access") for ref in ("7", "8", "9")]
        run_id = await _run(house, *plans)
        items = (await house.api.store.items(run_id)).items
        browser = await house.signed_in("operator")
        none = await browser.follow(await browser.post(f"/runs/{run_id}/reimport"))
        await browser.post(f"/runs/{run_id}/reimport", items=[items[0].id, items[2].id])

        assert "Tick the courses to reimport first." in none.text
        newest = (await house.api.store.runs(limit=1)).items[0]
        assert (newest.reimport_of, newest.total) == (run_id, 2)

    in_console(test)


def test_all_and_integrations_are_paused_and_resumed() -> None:
    """The first page pauses and resumes all and one integration, and every page says when all is paused."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("operator")
        paused = await browser.follow(await browser.post("/pause"))
        other = await browser.get("/statuses")
        await browser.post("/resume")
        tile = await browser.follow(await browser.post("/integrations/main/pause", **{"from": "imports"}))
        resumed = await browser.follow(await browser.post("/integrations/main/resume"))

        assert "All imports are paused" in paused.text
        assert "Resume all" in other.text
        assert "main is paused." in tile.text
        assert "main goes on." in resumed.text

    in_console(test)


def test_a_filter_with_a_word_that_does_not_exist_is_refused() -> None:
    """An unknown status or day in the address is an error that names the filter, not an empty list."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        for query, named in (("status=nonsense", "status"), ("created_since=32", "created since")):
            answer = await browser.get(f"/?{query}")
            assert (answer.status_code, f"The filter {named} must be" in answer.text) == (422, True)

    in_console(test)


def test_every_word_of_the_program_has_words_for_people() -> None:
    """Every status and reason is explained on the page of definitions."""
    assert set(words.ITEM_STATUSES) == set(ItemStatus)
    assert set(words.RUN_STATUSES) == set(RunStatus)
    assert set(words.FAIL_REASONS) == set(FailReason)
    assert set(words.SKIP_REASONS) == set(SkipReason)

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        page = (await browser.get("/statuses")).text

        for word in (*ItemStatus, *RunStatus, *FailReason, *SkipReason):
            assert f"<code>{word.value}</code>" in page

    in_console(test)


def test_unknown_addresses_are_pages_here_and_problems_below_api() -> None:
    """What does not exist is answered as a page by the console, and as a problem by the API."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        here = await browser.get("/nonsense")
        there = await browser.get("/api/v1/nonsense")
        wrong_method = await browser.get("/api/v1/pause")

        assert (here.status_code, "There is nothing here" in here.text) == (404, True)
        assert (there.status_code, there.headers["content-type"]) == (404, "application/problem+json")
        assert wrong_method.status_code == 405

    in_console(test)


def test_a_page_that_reads_itself_again_does_not_keep_its_session_from_growing_idle() -> None:
    """What the script of a page asks for is no use of the session; what a person opens is."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        noted: list[bool] = []
        accounts = house.api.service.accounts
        signed_in = accounts.signed_in

        async def watched(secret: str, *, used: bool = True) -> object:
            noted.append(used)
            return await signed_in(secret, used=used)

        accounts.signed_in = watched
        await browser.client.get("/", headers={"Sec-Fetch-Dest": "empty"})
        await browser.client.get("/", headers={"Sec-Fetch-Dest": "document"})

        assert noted == [False, True]

    in_console(test)


def test_what_was_said_waits_for_a_person() -> None:
    """A page that reads itself again while a form is being answered does not take the form's message away."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("operator")
        await browser.post("/pause")
        by_script = await browser.client.get("/", headers={"Sec-Fetch-Dest": "empty"})
        by_hand = await browser.client.get("/", headers={"Sec-Fetch-Dest": "document"})
        again = await browser.client.get("/", headers={"Sec-Fetch-Dest": "document"})

        told = "All imports are paused. What is being archived finishes."
        assert [told in each.text for each in (by_script, by_hand, again)] == [False, True, False]

    in_console(test)
