"""The form of a new import against a real service and campus: every method, from the page to archived courses."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.console_house import PASSWORD, form_token_of
from fakes.service_bench import Bench

from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import Role, Run
from coursekeep_daemon.web import create_app

#: what a browser sends of a file field in which nothing was chosen
NO_FILE = {"file": ("", b"", "application/octet-stream")}


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield server


class Page:
    """The form in the browser of an operator."""

    def __init__(self, service: Service) -> None:
        self.service = service
        transport = httpx.ASGITransport(app=create_app(service), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://daemon", timeout=60)
        self.text = ""

    async def open(self) -> None:
        """Sign in, and open the form."""
        accounts = self.service.accounts
        await self.service.store.create_user("olga", Role.OPERATOR, password_hash=await accounts.hash(PASSWORD))
        token = form_token_of((await self.client.get("/sign-in")).text)
        fields = {"form_token": token, "name": "olga", "password": PASSWORD, "next": "/"}
        assert (await self.client.post("/sign-in", data=fields)).status_code == 303
        await self.again()

    async def again(self) -> None:
        """Open a fresh form."""
        self.text = (await self.client.get("/imports/new")).text

    async def press(self, action: str, *, files: Any = NO_FILE, **fields: Any) -> httpx.Response:
        """Send the form as it stands, with what is typed now."""
        carried = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.text))
        data = {name: html.unescape(value) for name, value in carried.items()}
        data |= {"integration": "main", "on_existing": "skip", "action": action} | fields
        answer = await self.client.post("/imports/new", data=data, files=files)
        self.text = answer.text
        return answer

    async def import_(self, **fields: Any) -> Run:
        """Preview, start, and wait until the run has ended."""
        preview = await self.press("preview", **fields)
        assert preview.status_code == 200, preview.text
        fields.pop("files", None)
        started = await self.press("start", **fields)
        assert started.status_code == 303, started.text
        run = await self.service.store.run(int(started.headers["location"].rpartition("/")[2]))
        assert run is not None
        await self.again()
        return await Bench.finished(self.service, run)


def test_every_method_leads_from_the_form_to_a_completed_run(tmp_path: Path, server: CampusServer) -> None:
    """Terms, file, ids, search and end date each preview and start a run that archives what was chosen."""
    late, other = str(server.known["late_grade"]), str(server.known["locked_file"])

    async def main() -> None:
        async with Bench(tmp_path, server).service() as service:
            page = Page(service)
            await page.open()

            await page.press("refresh_terms")
            terms = re.findall(r'name="terms" value="([^"]+)"', page.text)
            by_term = await page.import_(source="terms", terms=terms[:1], note="by term")
            file = {"file": ("courses.csv", f"course_id,name\n{late},x\n".encode(), "text/csv")}
            text = f"course_id,name\r\n{late},x\r\n"
            preview = await page.press("preview", source="csv", files=file)
            started = await page.press("start", source="csv", csv=text)
            by_file = await service.store.run(int(started.headers["location"].rpartition("/")[2]))
            assert by_file is not None
            by_file = await Bench.finished(service, by_file)
            await page.again()
            by_ids = await page.import_(source="ids", ids=f"{late}, {other}", on_existing="refresh")
            await page.press("search", text=_name(page, late, preview.text))
            found = re.findall(r'name="picked" id="[^"]+" value="([^"]+)"', page.text)
            by_search = await page.import_(source="search", text=_name(page, late, preview.text), picked=found[:1])
            by_end = await page.import_(source="end_date", before="2026-08-01", ended_by="course")

            assert len(terms) > 1
            assert late in found
            runs = [by_term, by_file, by_ids, by_search, by_end]
            assert [run.source for run in runs] == ["terms", "csv", "ids", "search", "end_date"]
            assert {run.status for run in runs} <= {RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS}
            assert {run.created_by for run in runs} == {"olga"}
            assert [run.total for run in (by_file, by_ids, by_search)] == [1, 2, 1]
            assert by_term.total > 0
            assert by_end.total > 1
            assert (by_search.params["ids"], by_term.note) == (found[:1], "by term")

    asyncio.run(main())


def _name(page: Page, course_id: str, preview: str) -> str:
    """Return the name that a preview shows of a course."""
    found = re.search(rf"<strong>([^<]+)</strong></th>\s*<td>[^<]*</td>\s*<td class=\"mono\">{course_id}</td>", preview)
    assert found, preview
    return html.unescape(found[1])


def test_what_the_lms_and_the_sources_refuse_is_said_on_the_page(tmp_path: Path, server: CampusServer) -> None:
    """Wrong files, days, texts and terms are named where they were typed; nothing is started."""
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"source": "csv", "csv": 'course_id\n1\n"2\n'}, "csv", "The row that begins in line 3 cannot be read"),
        ({"source": "csv", "csv": "colour\nred\n"}, "csv", "No column of course ids among the headers 'colour'"),
        ({"source": "ids", "ids": " , \n"}, "ids", "Name at least one course."),
        ({"source": "search", "text": "x"}, "text", "Search for at least 2 characters."),
        ({"source": "terms"}, "terms", "Name at least one term."),
        ({"source": "terms", "terms": ["4711"]}, "terms", "knows no term '4711'"),
        ({"source": "end_date", "before": "2999-01-01"}, "before", "2999-01-01 00:00 UTC is in the future"),
        ({"source": "end_date", "before": ""}, "before", "It is missing: fill it in."),
        ({"source": "end_date", "before": "soon"}, "before", "Input should be a valid datetime"),
        ({"source": "idz", "ids": "1"}, "source", "There is no course source idz; did you mean ids?"),
        ({"source": "ids", "ids": "1", "integration": "mian"}, "integration", "There is no integration mian"),
        ({"source": "ids", "ids": "1", "on_existing": "burn"}, "on_existing", "Input should be 'skip' or 'refresh'."),
        ({"source": "ids", "ids": "1", "include": "a\n" * 201}, "include", "List should have at most 200 items"),
    ]

    async def main() -> None:
        async with Bench(tmp_path, server).service() as service:
            page = Page(service)
            await page.open()
            for fields, field, said in cases:
                answer = await page.press("preview", shown="main", **fields)
                shown = html.unescape(answer.text)

                assert answer.status_code == 422, (fields, shown)
                assert re.search(rf'id="{field}-wrong">[^<]*{re.escape(said)}', shown), (fields, shown)
            assert (await service.store.runs()).items == []

    asyncio.run(main())
