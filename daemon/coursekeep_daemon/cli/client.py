"""The daemon's API as the command line calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from coursekeep_daemon.cli.errors import CliError

__all__ = ["ApiClient", "ApiError", "ServerEvent", "Unreachable"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
#: seconds without a byte after which a stream counts as dead: the daemon sends a comment every 15
_SILENCE = 45


class ApiError(CliError):
    """The daemon refused. `status` is the HTTP status, `problem` the body."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"the daemon answered {status}"))
        self.status = status
        self.problem = problem


class Unreachable(CliError):
    """Nobody answers, or the connection broke."""


@dataclass(frozen=True, kw_only=True)
class ServerEvent:
    """One server-sent event."""

    kind: str
    id: str | None
    data: Any


class ApiClient:
    """Calls the control API of one daemon. Use it as a context manager."""

    def __init__(self, url: str, token: str | None, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CliError(f"{url!r} is no address of a daemon. Give one such as http://127.0.0.1:8350.")
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            # verifying a large package takes as long as reading it: only the connection has a limit
            timeout=httpx.Timeout(None, connect=10),
            trust_env=parts.hostname not in _LOOPBACK,  # a proxy cannot reach our loopback
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        """Return what GET answers. Parameters that are None are left out."""
        return self._json("GET", path, params=_given(params))

    def post(self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, **params: Any) -> Any:
        """Return what POST answers."""
        return self._json("POST", path, json=body, headers=headers, params=_given(params))

    def post_form(
        self, path: str, fields: Mapping[str, Any], file: tuple[str, bytes], headers: Mapping[str, str] | None = None
    ) -> Any:
        """Return what POST answers to a form with a file."""
        return self._json("POST", path, data=_given(fields), files={"file": file}, headers=headers)

    def patch(self, path: str, body: object) -> Any:
        """Return what PATCH answers."""
        return self._json("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        """DELETE something."""
        with self._answer("DELETE", path):
            pass

    def entries(self, path: str, *, limit: int | None, **params: Any) -> list[Any]:
        """Return up to `limit` entries of a list, following its pages; all with None."""
        found: list[Any] = []
        size = 200 if limit is None else min(limit, 200)
        with self._answer("GET", path, params=_given(params) | {"limit": size}) as response:
            found += _parsed(response)["items"]
        while (limit is None or len(found) < limit) and "next" in response.links:
            with self._answer("GET", self.url + response.links["next"]["url"]) as response:
                found += _parsed(response)["items"]
        return found[:limit]

    @contextmanager
    def download(self, path: str) -> Iterator[httpx.Response]:
        """Open an answer to read it piece by piece."""
        with self._answer("GET", path) as response:
            yield response

    def events(self, *, run: int | None = None, after: str | None = None) -> Iterator[ServerEvent]:
        """Yield server-sent events until the stream ends. Raise `Unreachable` where it breaks."""
        headers = {"Last-Event-ID": after} if after else {}
        timeout = httpx.Timeout(None, connect=10, read=_SILENCE)
        with self._answer("GET", "/events", params=_given({"run": run}), headers=headers, timeout=timeout) as response:
            yield from _parse_events(response.iter_lines())

    def _json(self, method: str, path: str, **options: Any) -> Any:
        with self._answer(method, path, **options) as response:
            return _parsed(response)

    @contextmanager
    def _answer(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        try:
            with self._client.stream(method, path, **options) as response:
                if response.status_code >= 400:
                    response.read()
                    raise ApiError(response.status_code, _problem(response))
                yield response
        except httpx.ConnectError as error:
            raise Unreachable(
                f"no daemon answers at {self.url}. Start one with `coursekeep serve`, or name another with --url."
            ) from error
        except httpx.TransportError as error:
            name = type(error).__name__
            raise Unreachable(f"the connection to {self.url} broke ({name}). Is the daemon still running?") from error


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _parsed(response: httpx.Response) -> Any:
    response.read()
    try:
        return response.json()
    except ValueError as error:
        raise CliError(f"{response.url} answers, but not as a Coursekeep daemon does. Is the address right?") from error


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    return {"detail": f"{response.url} answered {response.status_code}, but not as a Coursekeep daemon does."}


def _parse_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Read the event stream format: fields until an empty line; comments begin with a colon."""
    data: list[str] = []
    kind, last_id = "message", None
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data or last_id is not None:
                yield ServerEvent(kind=kind, id=last_id, data=json.loads("\n".join(data)) if data else None)
            kind, data, last_id = "message", [], None
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last_id = value
