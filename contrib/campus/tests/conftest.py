"""A campus over real HTTP: one that all tests share for reading, and others to order for tests that change it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer, generated
from coursekeep_campus.times import parse

NOW = parse("2026-03-15T12:00:00Z")

Connect = Callable[..., httpx.Client]
Walk = Callable[..., list[Any]]
Collect = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def server() -> Iterator[CampusServer]:
    """Serve a generated campus for reading only, without throttle."""
    with CampusServer(generated(now=NOW), throttle=False) as running:
        yield running


@pytest.fixture
def order() -> Iterator[Callable[..., CampusServer]]:
    """Start servers of one's own: `order(throttle=True)`; they end with the test."""
    running: list[CampusServer] = []

    def start(courses: int = 8, **options: Any) -> CampusServer:
        started = CampusServer(generated(now=NOW, courses=courses), **{"throttle": False, **options})
        started.start()
        running.append(started)
        return started

    yield start
    for started in running:
        started.stop()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients that hold one of a campus's tokens, another word as token, or none."""
    with ExitStack() as stack:

        def connected(server: CampusServer, token: str | None = "admin", **headers: str) -> httpx.Client:
            credentials = {} if token is None else {"Authorization": f"Bearer {server.tokens.get(token, token)}"}
            made = httpx.Client(base_url=server.url, headers={**credentials, **headers}, timeout=20)
            return stack.enter_context(made)

        yield connected


@pytest.fixture
def client(server: CampusServer, connect: Connect) -> httpx.Client:
    """Speak to the shared campus as an administrator."""
    return connect(server)


@pytest.fixture
def trap(server: CampusServer) -> Callable[[str], int]:
    """Give the id of the course in which a trap is laid."""
    return lambda name: int(server.known["traps"][name])


@pytest.fixture
def walk() -> Walk:
    """Read all pages of a list, by their links alone, as a careful client does."""

    def read(client: httpx.Client, path: str, **params: Any) -> list[Any]:
        answer = client.get(f"/api/v1/{path}", params={"per_page": 100, **params})
        found: list[Any] = []
        while True:
            assert answer.status_code == 200, answer.text
            found += answer.json()
            following = answer.links.get("next")
            if following is None:
                return found
            answer = client.get(following["url"])

    return read


@pytest.fixture
def collect(client: httpx.Client, walk: Walk) -> Collect:
    """Read all pages of a list of the shared campus."""
    return lambda path, **params: walk(client, path, **params)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of shared data; tests that need it are skipped where it is absent."""
    place = os.environ.get("COURSEKEEP_SHARED")
    root = Path(place) if place else Path(__file__).resolve().parents[3].parent / "shared"
    data = root / "data" if (root / "data").is_dir() else root
    if not (data / "oulad").is_dir():
        pytest.skip(f"no shared data in {root}; set COURSEKEEP_SHARED to the folder that holds it")
    return data
