"""A real daemon, a real campus and a real Chromium, and people who use them.

A house lasts as long as a test module: starting it takes seconds. While Playwright runs, its event loop holds the
thread, so nothing in such a module may call `asyncio.run`; what needs it happens before.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for
from fakes.notified import receiver
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from coursekeep_daemon.store import Role, Store

__all__ = [
    "FAR_NAME",
    "PASSWORD",
    "USERS",
    "BrowserHouse",
    "Visitor",
    "browser_house",
    "fill_sign_in",
    "find_chromium",
    "sign_in_as",
]

PASSWORD = "correct horse battery staple"
#: who signs in for which role
USERS: Mapping[str, str] = {"administrator": "admin", "operator": "registrar", "viewer": "reader"}

#: milliseconds; generous, since the gate's machine does other things meanwhile
PATIENCE = 30_000
WIDE = {"width": 1280, "height": 800}

#: leads to this machine
FAR_NAME = "archive.example.edu"

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # as another machine would name it: unlike loopback it is no trusted origin, and browsers tell less of requests
    f"--host-resolver-rules=MAP {FAR_NAME} 127.0.0.1",
)
#: no complaints: answers that are no success, which the test judges; a header that plain http makes useless
_EXPECTED = ("Failed to load resource", "The Cross-Origin-Opener-Policy header has been ignored")


def find_chromium() -> str:
    """Return the path of Chromium. Without one the test is skipped, but fails in CI, or where one was named."""
    named = os.environ.get("COURSEKEEP_TEST_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing = f"There is no {' or '.join(names)}; install it, or name another in COURSEKEEP_TEST_CHROMIUM."
        if named or os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@dataclass(kw_only=True)
class Visitor:
    """Someone in front of a page."""

    page: Page
    context: BrowserContext
    javascript: bool
    #: what the browser's console complained about: errors of the script, breaches of the content security policy
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Open a page of the console."""
        self.page.goto(path)

    def press(self, name: str, within: Locator | None = None) -> None:
        """Press the button of this name, and wait for the page that its form leads to."""
        with self.page.expect_navigation():
            (within or self.page).get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str, within: Locator | None = None) -> None:
        """Follow the first link of this name."""
        with self.page.expect_navigation():
            (within or self.page).get_by_role("link", name=name, exact=True).first.click()

    def sees(self, what: str | Locator, *, absent: bool = False) -> None:
        """Wait until a text or an element is there (or not any more); reload for it only without JavaScript."""
        locator = self.page.get_by_text(what).first if isinstance(what, str) else what
        if self.javascript:
            expect(locator).to_be_hidden() if absent else expect(locator).to_be_visible()
            return

        def there_after_reload() -> bool:
            self.page.reload()
            return locator.is_visible() is not absent

        if locator.is_visible() is absent:
            wait_for(str(what), there_after_reload, pause=0.2)

    def is_live(self) -> None:
        """Wait until the page follows the daemon's events."""
        expect(self.page.locator("body")).to_have_attribute("data-connected", "yes")

    def mark(self) -> None:
        """Mark the document, so that `unmoved` can tell whether it was loaded anew."""
        self.page.evaluate("window.markedByTest = true")

    def unmoved(self) -> bool:
        """Tell whether the document is still the one that was marked."""
        return bool(self.page.evaluate("window.markedByTest === true"))

    def count(self, status: str) -> Locator:
        """Return the counter of a status on the page of a run."""
        return self.page.locator("#run-counts li").filter(has_text=status).locator("strong")


@dataclass(kw_only=True)
class BrowserHouse:
    """Everything that a person at a browser needs."""

    campus: CampusProcess
    daemon: DaemonProcess
    chromium: Browser
    #: cookies of each role, so that only tests of the sign-in sign in
    _signed_in: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def visitor(self, role: str | None = "operator", *, javascript: bool = True, **options: Any) -> Iterator[Visitor]:
        """Open a browser of its own in which someone of a role is signed in, or nobody.

        At the end the browser's console must not have complained.
        """
        if role is not None and role not in self._signed_in:
            self._signed_in[role] = self._sign_in(role)
        usual: dict[str, Any] = {"viewport": WIDE, "timezone_id": "UTC", "locale": "en-GB"}
        if role is not None:
            usual["storage_state"] = self._signed_in[role]
        context = self.chromium.new_context(
            **{**usual, "base_url": self.daemon.url, "java_script_enabled": javascript, **options}
        )
        context.set_default_timeout(PATIENCE)
        try:
            found = Visitor(page=context.new_page(), context=context, javascript=javascript)
            found.page.on("console", lambda message: _note(found, message))
            found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
            yield found
            assert not found.complaints, "\n".join(found.complaints)
        finally:
            context.close()

    def _sign_in(self, role: str) -> Any:
        with self.visitor(None, javascript=False) as visitor:
            fill_sign_in(visitor, role)
            return visitor.context.storage_state()

    def failing_run(self, *courses: int, note: str = "") -> int:
        """Run courses of which none can be read, and return the run at its end; from then on they can be read."""
        for course in courses:
            self.campus.fault(match=f"GET /api/v1/courses/{course}*", kind="status", status=403)
        run = self.daemon.start_run("ids", {"ids": [str(each) for each in courses]}, note=note or None)
        self.daemon.finished(run)
        self.campus.clear_faults()
        return run

    @contextmanager
    def just_installed(self, folder: Path) -> Iterator[BrowserHouse]:
        """Start a second daemon beside this one, with the same users, in which nothing has happened yet."""
        daemon = DaemonProcess(folder / "new", self.campus.url, self.campus.tokens["admin"])
        with ExitStack() as stack:
            # in a thread of its own, since Playwright's event loop holds this one
            with ThreadPoolExecutor(1) as thread:
                thread.submit(stack.enter_context, _with_users(daemon)).result()
            yield BrowserHouse(campus=self.campus, daemon=daemon, chromium=self.chromium)


def fill_sign_in(visitor: Visitor, role: str) -> None:
    """Sign in on the form."""
    sign_in_as(visitor, USERS[role], PASSWORD)


def sign_in_as(visitor: Visitor, name: str, password: str) -> None:
    """Sign in on the form as somebody who is none of `USERS`."""
    visitor.open("/sign-in")
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_label("Password").fill(password)
    visitor.press("Sign in")


def _note(visitor: Visitor, message: ConsoleMessage) -> None:
    if message.type == "error" and not message.text.startswith(_EXPECTED):
        visitor.complaints.append(message.text)


@contextmanager
def browser_house(
    folder: Path, *, courses: int = 24, settings: Mapping[str, str] | None = None
) -> Iterator[BrowserHouse]:
    """Start a campus, a daemon with a user of each role, and Chromium; stop all at the end.

    `settings` are further sections of settings.toml.
    """
    program = find_chromium()
    expect.set_options(timeout=PATIENCE)
    with ExitStack() as stack:
        campus = stack.enter_context(CampusProcess.running("--no-throttle", "--courses", str(courses)))
        sections = {**_integrations(campus), **_targets(stack), **(settings or {})}
        daemon = DaemonProcess(folder / "house", campus.url, campus.tokens["admin"], sections)
        daemon.variables = {"EVENING_TOKEN": campus.tokens["expired"]}
        stack.enter_context(_with_users(daemon))
        playwright = stack.enter_context(sync_playwright())
        chromium = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        stack.callback(chromium.close)
        yield BrowserHouse(campus=campus, daemon=daemon, chromium=chromium)


def _integrations(campus: CampusProcess) -> Mapping[str, str]:
    """A second integration whose token has expired, and a schedule that never fires while tests run."""
    return {
        "daemon": "shutdown_timeout = 1",
        "engine": "concurrency = 4",
        # requests that hang for the sake of a test leave room for others
        "integrations.main": "timeout = 3600\nmax_concurrency = 64",
        "integrations.evening": (
            f'connector = "canvas"\nbase_url = "{campus.url}"\ntoken = {{ env = "EVENING_TOKEN" }}'
        ),
        "schedules.ended_courses": (
            'integration = "main"\ncron = "0 3 29 2 *"\nsource = "end_date"\nended_for = "6 months"'
        ),
    }


def _targets(stack: ExitStack) -> Mapping[str, str]:
    """Two that are told of everything: one takes it, the other wants no more."""
    team, tickets = stack.enter_context(receiver()), stack.enter_context(receiver())
    tickets.refuse(*[410] * 1000)
    return {
        "notifications.lms_team": f'kind = "webhook"\nurl = "{team.url}"',
        "notifications.tickets": f'kind = "webhook"\nurl = "{tickets.url}"\nevents = ["run_failed", "run_recovered"]',
    }


@contextmanager
def _with_users(daemon: DaemonProcess) -> Iterator[None]:
    with daemon.running():
        asyncio.run(_add_users(daemon.store_address))
        yield


async def _add_users(url: str) -> None:
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    async with Store(url) as store:
        for role, name in USERS.items():
            await store.create_user(name, Role(role), password_hash=hashed)
        await store.create_token("term-report", "read", user=USERS["operator"])
