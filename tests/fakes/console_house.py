"""A console around a real store, and browsers that are signed in to it, over ASGI."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from fakes.api_service import ApiHouse, api_house

from coursekeep_daemon.store import Role

__all__ = ["PASSWORD", "Browser", "ConsoleHouse", "form_token_of", "in_console"]

PASSWORD = "correct horse battery staple"


@dataclass(kw_only=True)
class Browser:
    """A client that keeps cookies and sends forms as a browser does."""

    client: httpx.AsyncClient

    async def get(self, path: str) -> httpx.Response:
        """Open a page; redirects are not followed."""
        return await self.client.get(path)

    async def post(self, path: str, form_from: str = "/account", **fields: object) -> httpx.Response:
        """Send a form with the token of a page of this session."""
        token = form_token_of((await self.client.get(form_from)).text)
        return await self.client.post(path, data={"form_token": token, **fields})

    async def follow(self, response: httpx.Response) -> httpx.Response:
        """Open the page that a form's answer leads to."""
        assert response.status_code == 303, response.text
        return await self.client.get(response.headers["location"])


@dataclass(kw_only=True)
class ConsoleHouse:
    """The house of the API's tests, with users."""

    api: ApiHouse

    def browser(self) -> Browser:
        """Return a browser in which nobody is signed in."""
        transport = httpx.ASGITransport(app=self.api.app, raise_app_exceptions=False)
        return Browser(client=httpx.AsyncClient(transport=transport, base_url="http://daemon"))

    async def signed_in(self, role: str = "administrator") -> Browser:
        """Return a browser of a user of that name and role, made where it is not there yet."""
        accounts, store = self.api.service.accounts, self.api.store
        if await store.user(role) is None:
            await store.create_user(role, Role(role), password_hash=await accounts.hash(PASSWORD))
        browser = self.browser()
        token = form_token_of((await browser.get("/sign-in")).text)
        answer = await browser.client.post(
            "/sign-in", data={"form_token": token, "name": role, "password": PASSWORD, "next": "/"}
        )
        assert answer.status_code == 303, answer.text
        return browser


def form_token_of(page: str) -> str:
    """Return the token that the forms of a page hold."""
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def in_console(test: Callable[[ConsoleHouse], Awaitable[None]]) -> None:
    """Run a test in a house of its own."""

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with api_house(Path(folder)) as house:
                await test(ConsoleHouse(api=house))

    asyncio.run(main())
