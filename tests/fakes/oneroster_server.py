"""A OneRoster service on loopback that serves a district's CSV files over REST, as 1.1 or 1.2, and misbehaves as told.

Its token endpoint is real: clients authenticate by HTTP Basic, tokens expire, and each counts as a request.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web

__all__ = ["CLIENT", "SECRET", "Faults", "OneRosterServer"]

CLIENT, SECRET = "coursekeep", "hush:hush"  # made up
_ONE = {
    "academicSessions": "academicSession",
    "orgs": "org",
    "courses": "course",
    "classes": "class",
    "users": "user",
    "categories": "category",
    "demographics": "demographics",
}


@dataclass(kw_only=True)
class Faults:
    """What the service does wrong."""

    #: collections that are answered with 403
    forbidden: set[str] = field(default_factory=set)
    #: collections, and nested calls such as `classes/enrollments`, that do not exist
    absent: set[str] = field(default_factory=set)
    #: ids of objects that are answered with 403
    forbidden_ids: set[str] = field(default_factory=set)
    #: page links, total counts: what tells where a list ends
    links: bool = True
    totals: bool = True
    #: page size that is given at most
    largest: int = 100
    #: filters are refused with 400, or taken no notice of
    filters: str = "taken"
    #: offsets are taken no notice of
    ignores_offset: bool = False
    #: ids of objects that no list holds
    lost: set[str] = field(default_factory=set)
    #: statuses to answer the next requests with
    next_statuses: list[int] = field(default_factory=list)
    #: totals claim so many more than there are
    overclaim: int = 0
    #: seconds for which a token is good, as said and as meant
    expires_in: float = 3600
    #: tokens that the service has forgotten
    revoked: set[str] = field(default_factory=set)


class OneRosterServer:
    """The service, in its own thread."""

    def __init__(self, tables: Mapping[str, Sequence[str]], version: str = "1.2", token: str | None = None) -> None:
        self.version = version
        self.token = token
        self.faults = Faults()
        self.tables = {name: [_shaped(row) for row in _rows(lines)] for name, lines in tables.items()}
        self.tokens: list[str] = []
        #: method, path and query of each request
        self.requests: list[str] = []
        self.grants: list[dict[str, str]] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(20)
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/token", self._grant)
        app.router.add_get("/{tail:.*}", self._get)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def _grant(self, request: web.Request) -> web.Response:
        self.grants.append({**dict(await request.post()), "authorization": request.headers.get("Authorization", "")})
        expected = base64.b64encode(b"coursekeep:hush%3Ahush").decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"error": "invalid_client"}, status=401)
        self.tokens.append(f"made-up-{len(self.tokens) + 1}-token")
        body = {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": self.faults.expires_in}
        return web.json_response(body)

    async def _get(self, request: web.Request) -> web.Response:
        self.requests.append(f"GET {request.raw_path}")
        if self.faults.next_statuses:
            return web.Response(status=self.faults.next_statuses.pop(0), text="<html>broken</html>")
        if not self._allowed(request):
            return _refused(401, "unauthorisedrequest")
        base = re.match(r"/ims/oneroster/(rostering/v1p2|gradebook/v1p2|v1p1)/(.*)", request.rel_url.raw_path)
        if base is None or (base[1] == "v1p1") != (self.version == "1.1"):
            return web.Response(status=404, text="<html>nothing here</html>")
        steps = [unquote(step) for step in base[2].split("/")]
        return self._answer(request, steps)

    def _allowed(self, request: web.Request) -> bool:
        said = request.headers.get("Authorization", "").removeprefix("Bearer ")
        known = {self.token} if self.token else set(self.tokens[-1:])
        return said in known and said not in self.faults.revoked

    def _answer(self, request: web.Request, steps: Sequence[str]) -> web.Response:
        collection = steps[-1] if len(steps) % 2 else steps[-2]
        if collection in self.faults.forbidden or (not len(steps) % 2 and steps[-1] in self.faults.forbidden_ids):
            return _refused(403, "forbidden")
        place = "/".join(steps[::2])
        gone = collection in self.faults.absent or place in self.faults.absent
        if gone or (collection not in (*self.tables, "students", "teachers")):
            return _refused(404, "unknownobject")
        if len(steps) % 2 == 0:
            found = next((row for row in self.tables[collection] if row["sourcedId"] == steps[-1]), None)
            return web.json_response({_ONE[collection]: found}) if found else _refused(404, "unknownobject")
        return self._list(
            request, collection, self._chosen(collection, dict(zip(steps[::2], steps[1::2], strict=False)))
        )

    def _chosen(self, collection: str, within: Mapping[str, str]) -> list[dict[str, Any]]:
        class_id = within.get("classes")
        if class_id is None:
            return self.tables[collection]

        def mine(row: dict[str, Any]) -> bool:
            return bool(row.get("class", {}).get("sourcedId") == class_id)

        if collection in ("students", "teachers"):
            roles = [row for row in self.tables["enrollments"] if mine(row) and f"{row['role']}s" == collection]
            ids = {row["user"]["sourcedId"] for row in roles}
            return [row for row in self.tables["users"] if row["sourcedId"] in ids]
        if collection == "results":
            items = {row["sourcedId"] for row in self.tables["lineItems"] if mine(row)}
            return [row for row in self.tables["results"] if row["lineItem"]["sourcedId"] in items]
        return [row for row in self.tables[collection] if mine(row)]

    def _list(self, request: web.Request, collection: str, rows: list[dict[str, Any]]) -> web.Response:
        wanted = request.query.get("filter")
        if wanted is not None and self.faults.filters == "refused":
            return _refused(400, "invalid_filter_field")
        if wanted is not None and self.faults.filters == "taken":
            id_ = wanted.removeprefix("class.sourcedId='").removesuffix("'")
            rows = [row for row in rows if row.get("class", {}).get("sourcedId") == id_]
        rows = [row for row in rows if row["sourcedId"] not in self.faults.lost]
        limit = min(int(request.query.get("limit", "100")), self.faults.largest)
        offset = 0 if self.faults.ignores_offset else int(request.query.get("offset", "0"))
        headers = {"X-Total-Count": str(len(rows) + self.faults.overclaim)} if self.faults.totals else {}
        if self.faults.links and offset + limit < len(rows):
            following = request.rel_url.update_query({"offset": str(offset + limit), "limit": str(limit)})
            headers["Link"] = f'<{following}>; rel="next"'
        key = "users" if collection in ("students", "teachers") else collection
        return web.json_response({key: rows[offset : offset + limit]}, headers=headers)


def _refused(status: int, minor: str) -> web.Response:
    minors = {"imsx_codeMinorField": [{"imsx_codeMinorFieldName": "x", "imsx_codeMinorFieldValue": minor}]}
    body = {"imsx_codeMajor": "failure", "imsx_severity": "error", "imsx_description": "no", "imsx_CodeMinor": minors}
    return web.json_response(body, status=status)


def _rows(lines: Sequence[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("\r\n".join(lines), newline="")))


def _shaped(row: Mapping[str, str]) -> dict[str, Any]:
    """Turn a row into an object, in a way of its own: the product's own way is what is being tested."""
    body: dict[str, Any] = {"status": "active", "dateLastModified": "2024-01-01T00:00:00Z", "metadata": {}}
    for column, cell in row.items():
        if not cell:
            continue
        if column.startswith("metadata."):
            body["metadata"][column.removeprefix("metadata.")] = cell
        elif column == "termSourcedIds":
            body["terms"] = [{"sourcedId": each.strip(), "type": "academicSession"} for each in cell.split(",")]
        elif column.endswith("SourcedId"):
            body[column.removesuffix("SourcedId")] = {"sourcedId": cell, "type": column.removesuffix("SourcedId")}
        elif column in ("score", "resultValueMin", "resultValueMax", "weight"):
            body[column] = float(cell)
        else:
            body[column] = cell
    return body
