"""Schedules from the console against a real service and campus: previewed, added, run, enabled and disabled."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fakes.console_house import PASSWORD, form_token_of
from fakes.service_bench import Bench

from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import Role
from coursekeep_daemon.web import create_app

FORM = {
    "name": "monthly",
    "integration": "main",
    "cron": "0 3 1 * *",
    "time_zone": "Europe/Vienna",
    "source": "end_date",
    "ended_for": "1 month",
    "ended_by": "course",
    "on_existing": "skip",
    "enabled": "yes",
}


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=6), throttle=False) as server:
        yield server


class Browser:
    """An administrator's browser, which sends the hidden fields of the page it is on."""

    def __init__(self, service: Service) -> None:
        self.service = service
        transport = httpx.ASGITransport(app=create_app(service), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://daemon", timeout=60)
        self.text = ""

    async def sign_in(self) -> None:
        """Make an administrator and sign in."""
        accounts = self.service.accounts
        await self.service.store.create_user("ada", Role.ADMINISTRATOR, password_hash=await accounts.hash(PASSWORD))
        token = form_token_of((await self.client.get("/sign-in")).text)
        fields = {"form_token": token, "name": "ada", "password": PASSWORD, "next": "/"}
        assert (await self.client.post("/sign-in", data=fields)).status_code == 303

    async def open(self, path: str) -> str:
        """Open a page."""
        self.text = (await self.client.get(path)).text
        return self.text

    async def send(self, path: str, **fields: str) -> str:
        """Send a form, and return the page that answers, or that its answer leads to."""
        carried = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.text))
        data = {name: html.unescape(value) for name, value in carried.items()} | fields
        answer = await self.client.post(path, data=data)
        assert answer.status_code in (200, 303), answer.text
        self.text = answer.text
        return self.text if answer.status_code == 200 else await self.open(answer.headers["location"])


def test_a_schedule_goes_from_the_form_to_archived_courses(tmp_path: Path, server: CampusServer) -> None:
    """What the form previews is what Run now archives; pattern, cut-off and switch of the stored rule hold."""

    async def main() -> None:
        async with Bench(tmp_path, server).service() as service:
            browser = Browser(service)
            await browser.sign_in()
            await browser.open("/schedules/new?integration=main")
            everything = await browser.send("/schedules/new", **FORM, action="preview")
            names = re.findall(r'<th scope="row" class="breakable"><strong>([^<]+)</strong>', everything)
            form = {**FORM, "exclude": f"name:{html.unescape(names[0])}"}
            preview = await browser.send("/schedules/new", **form, action="preview")
            await browser.send("/schedules/new", **form, action="save")
            again = await browser.send("/schedules/monthly/preview")
            due = service.next_fire(await service.store.schedule("monthly"))
            await browser.send("/schedules/monthly/run")
            (run,) = (await service.store.runs(schedule="monthly")).items
            run = await Bench.finished(service, run)
            items = (await service.store.items(run.id)).items
            await browser.open("/schedules/monthly")
            await browser.send("/schedules/monthly/disable")
            off = service.next_fire(await service.store.schedule("monthly"))

            assert len(names) > 1
            assert ("Left out" in everything, "Left out" in preview, "Left out" in again) == (False, True, True)
            assert run.status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS)
            assert {item.course_name for item in items} >= {html.unescape(name) for name in names[1:]}
            assert html.unescape(names[0]) not in {item.course_name for item in items if item.status == "completed"}
            assert due is not None
            assert off is None

    asyncio.run(main())
