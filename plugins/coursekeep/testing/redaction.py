"""Secrets stay where they belong: with the LMS, and nowhere else."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import httpx

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError
from coursekeep.records import RemoteFile
from coursekeep.testing.export import Export, Known, collect
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import (
    asked_of,
    complaint,
    course_of,
    export_of,
    hold_no_secret,
    places,
    run,
    secrets_of,
    wired,
)
from coursekeep.testing.wire import Answerer, Asked, Trick, Wire

__all__ = ["RedactionPromises"]

_ELSEWHERE = "http://elsewhere.invalid"


class RedactionPromises:
    """What holds of secrets."""

    positions = 5

    @promise(Area.REDACTION, Grade.REQUIRED)
    def test_secrets_are_not_told(self, connector: Connector[Any], known: Known) -> None:
        """No secret is in what describes the connector, in its check, or in its errors."""

        async def tell() -> list[str]:
            steps = [repr(step) async for step in connector.check()]
            return steps + [
                await complaint(connector, id_) for id_ in (known.missing, known.forbidden or known.missing)
            ]

        told = run(connector, tell)
        told += [repr(connector), repr(connector.settings), str(connector.settings)]
        told += [repr(connector.client)] if connector.over_http else []
        told += [json.dumps(connector.describe())]
        hold_no_secret(connector, told)

    @promise(Area.REDACTION, Grade.REQUIRED)
    def test_export_holds_no_secret(self, connector: Connector[Any], known: Known) -> None:
        """No part of an export holds a secret of the settings."""
        export = export_of(connector, known)
        hold_no_secret(connector, _told(export), "the export")

    @promise(Area.REDACTION, Grade.REQUIRED)
    def test_echoes_are_not_told(self, connector: Connector[Any], known: Known) -> None:
        """An LMS that repeats what it was sent in its errors does not get a secret into errors or gaps."""
        _, asked = asked_of(connector, known)
        if not list(secrets_of(connector)):
            not_applicable("the settings hold no secret")
        for status, place in zip(cycle((400, 403, 500)), places(asked, self.positions), strict=False):
            hold_no_secret(connector, _echoed(connector, known, place, status), f"what was said of {place.label}")

    @promise(Area.REDACTION, Grade.REQUIRED)
    def test_secrets_go_to_no_other_host(self, connector: Connector[Any], known: Known) -> None:
        """Where a redirect or a next page leads to another host, no secret and no Authorization header goes there."""
        _, asked = asked_of(connector, known)
        for place in places(asked, self.positions):
            for lead in (_led_away, _paged_away):
                stray, wire = wired(connector, lead(place))
                with suppress(ConnectorError):
                    _export_over(stray, known, wire)
                _hold_home(connector, wire)

    @promise(Area.REDACTION, Grade.REQUIRED)
    def test_files_elsewhere_get_no_secret(self, connector: Connector[Any], known: Known) -> None:
        """A file that is redirected to another host is fetched there without credentials."""
        export, _ = asked_of(connector, known)
        files = [file for file in export.files if file.url][: self.positions]
        if not files:
            not_applicable("the known course has no file")
        for file in files:
            _hold_home(connector, _opened_elsewhere(connector, file))

    @promise(Area.REDACTION, Grade.EXEMPLARY)
    def test_addresses_hold_no_secret(self, connector: Connector[Any], known: Known) -> None:
        """No address that is asked for holds a secret: addresses stand in the logs of every proxy."""
        _, asked = asked_of(connector, known)
        hold_no_secret(connector, [str(each.url) for each in asked], "an address")


def _export_over(connector: Connector[Any], known: Known, wire: Wire) -> Export:
    """Export over a wire that begins its trick once the course has been found."""

    async def main() -> Export:
        course = await course_of(connector, known)
        wire.begin()
        return await collect(connector, course)

    return run(connector, main)


def _told(export: Export) -> list[str]:
    return [repr(getattr(export, name)) for name in Export.__slots__]


def _echoed(connector: Connector[Any], known: Known, place: Asked, status: int) -> list[str]:
    loud, wire = wired(connector, _echo(place, status))
    try:
        return _told(_export_over(loud, known, wire))
    except ConnectorError as error:
        return [repr(error), str(error)]


def _echo(place: Asked, status: int) -> Trick:
    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.identity != place.identity:
            return None
        sent = f"{asked.method} {asked.url} {dict(asked.headers)} {asked.body.decode('utf-8', 'replace')}"
        words = ("error", "message", "detail", "error_description", "imsx_description", "title", "debuginfo", "reason")
        body = {**dict.fromkeys(words, sent), "errors": [{"message": sent}], "imsx_codeMajor": "failure"}
        return httpx.Response(status, json={**body, "exception": "moodle_exception", "errorcode": sent})

    return trick


def _led_away(place: Asked) -> Trick:
    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.url.host == urlsplit(_ELSEWHERE).hostname:
            return httpx.Response(200, json=[])
        if asked.identity == place.identity:
            return httpx.Response(302, headers={"Location": f"{_ELSEWHERE}{asked.url.raw_path.decode('ascii')}"})
        return None

    return trick


def _paged_away(place: Asked) -> Trick:
    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.url.host == urlsplit(_ELSEWHERE).hostname:
            return httpx.Response(200, json=[])
        if asked.identity != place.identity:
            return None
        answer = await ask()
        answer.headers["Link"] = f'<{_ELSEWHERE}/page/2>; rel="next"'
        return answer

    return trick


def _opened_elsewhere(connector: Connector[Any], file: RemoteFile) -> Wire:
    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.url.host == urlsplit(_ELSEWHERE).hostname:
            return httpx.Response(200, content=b"a file", headers={"Content-Type": "text/plain"})
        return httpx.Response(307, headers={"Location": f"{_ELSEWHERE}/file"})

    stray, wire = wired(connector, trick)

    async def read() -> None:
        wire.begin()
        try:
            async with stray.open(file) as download:
                async for _ in download.chunks:
                    pass
        except ConnectorError:
            pass

    run(stray, read)
    return wire


def _hold_home(connector: Connector[Any], wire: Wire) -> None:
    for asked in wire.asked:
        if f"{asked.url.scheme}://{asked.url.host}" != _ELSEWHERE:
            continue
        said = asked.headers.get("authorization", "")
        assert not said, "an Authorization header went to another host"
        sent = [str(asked.url), repr(asked.headers), asked.body.decode("utf-8", "replace")]
        hold_no_secret(connector, sent, "a request to another host")
