"""The contract of a connector, as tests."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError, NoAccess, NotFound
from coursekeep.kinds import MODELS, Kind
from coursekeep.records import CheckStep, Course, CourseQuery, NativeExport, Record, RemoteFile, Term
from coursekeep.retry import NO_RETRY
from coursekeep.testing.export import Export, Known, collect

__all__ = ["ConnectorContract"]

T = TypeVar("T")
#: seconds that one test may take, so that a connector that hangs fails
_PATIENCE = 60.0
#: kinds that the framework writes itself
_FRAMEWORK = frozenset({Kind.FILES, Kind.NATIVE_EXPORTS})


class ConnectorContract:
    """What holds for every connector. Inherit it and override the two fixtures."""

    @pytest.fixture
    def connector(self) -> Connector[Any]:
        """Give a connector that is not open yet, with a retry policy that does not wait."""
        raise NotImplementedError("override the fixture `connector`")

    @pytest.fixture
    def known(self) -> Known:
        """Give ids that the LMS is known to hold, and not to hold."""
        raise NotImplementedError("override the fixture `known`")

    @pytest.fixture
    def broken(self) -> Sequence[Connector[Any]]:
        """Give connectors whose check must fail. Needed where nothing is asked over HTTP: no fault can be sent then."""
        return []

    def test_names(self, connector: Connector[Any]) -> None:
        """A connector has a name for settings and a title for people."""
        assert re.fullmatch(r"[a-z][a-z0-9_]*", connector.name), f"name: {connector.name!r} is not lower case"
        assert connector.title.strip(), "title: is empty"

    def test_settings_explain_themselves(self, connector: Connector[Any]) -> None:
        """Every setting has a title and a description, of which forms and reference docs are made."""
        fields = type(connector).Settings.model_fields
        bare = [name for name, about in fields.items() if not (about.title and about.description)]
        assert not bare, f"settings without title or description: {bare}"

    def test_secrets_are_secret(self, connector: Connector[Any]) -> None:
        """Whatever is named like a secret is a `SecretStr`."""
        fields = type(connector).Settings.model_fields
        named = re.compile(r"token|password|secret|(^|_)key$")
        open_ = [
            name for name, about in fields.items() if named.search(name) and "SecretStr" not in str(about.annotation)
        ]
        assert not open_, f"settings that must be SecretStr: {open_}"

    def test_secrets_are_not_told(self, connector: Connector[Any], known: Known) -> None:
        """No secret is in what describes the connector, in its check, or in its errors."""

        async def tell() -> list[str]:
            steps = [repr(step) async for step in connector.check()]
            return steps + [
                await _complaint(connector, id_) for id_ in (known.missing, known.forbidden or known.missing)
            ]

        told = _run(connector, tell)
        told += [repr(connector), repr(connector.settings), str(connector.settings)]
        told += [repr(connector.client)] if connector.over_http else []
        told += [json.dumps(connector.describe())]
        _hold_no_secret(connector, told)

    def test_description(self, connector: Connector[Any]) -> None:
        """A connector describes its source as JSON, with its own name."""
        assert json.loads(json.dumps(connector.describe()))["connector"] == connector.name

    def test_check_passes(self, connector: Connector[Any]) -> None:
        """The check of a good integration yields named steps, all of them ok."""
        steps = _run(connector, lambda: _list(connector.check()))
        assert steps, "check() yielded no step"
        assert all(isinstance(step, CheckStep) and step.name for step in steps)
        assert not [step for step in steps if not step.ok]

    @pytest.mark.parametrize("fault", ["unreachable", "error", "html", "refused", "empty"])
    def test_check_tells_what_to_do(self, connector: Connector[Any], fault: str) -> None:
        """The check of a broken integration raises nothing: its last step has failed, and says what to do."""
        if not connector.over_http:
            pytest.skip("nothing is asked over HTTP")
        broken = type(connector)(connector.settings, transport=httpx.MockTransport(_FAULTS[fault]), retry=NO_RETRY)
        _hold_failed_check(broken, f"the LMS is {fault}")

    def test_check_of_broken_settings(self, connector: Connector[Any], broken: Sequence[Connector[Any]]) -> None:
        """The check of settings that lead nowhere raises nothing either."""
        assert broken or connector.over_http, "override the fixture `broken`"
        for one in broken:
            _hold_failed_check(one, "it is broken")

    def test_terms(self, connector: Connector[Any]) -> None:
        """Terms have ids of their own, and come in the same order every time."""

        async def twice() -> tuple[list[Term], list[Term]]:
            return await _list(connector.terms()), await _list(connector.terms())

        first, second = _run(connector, twice)
        assert all(isinstance(term, Term) for term in first)
        _unique("term", [term.id for term in first])
        assert first == second, "terms() differs between two calls"

    def test_courses(self, connector: Connector[Any], known: Known) -> None:
        """Courses have ids of their own, and come in the same order every time, the ended one among them."""

        async def twice() -> tuple[list[Course], list[Course]]:
            return await _list(connector.courses(CourseQuery())), await _list(connector.courses(CourseQuery()))

        first, second = _run(connector, twice)
        assert all(isinstance(course, Course) for course in first)
        _unique("course", [course.id for course in first])
        assert [course.id for course in first] == [course.id for course in second], "courses() changes its order"
        assert known.ended in [course.id for course in first]

    def test_ended_courses(self, connector: Connector[Any], known: Known) -> None:
        """A query for ended courses gives courses that have ended, the known one among them."""
        query = CourseQuery(ended_before=datetime.now(UTC))
        courses = _run(connector, lambda: _list(connector.courses(query)))
        assert known.ended in [course.id for course in courses]
        assert all(course.ended for course in courses), "a course that has not ended was listed as ended"

    def test_course(self, connector: Connector[Any], known: Known) -> None:
        """A course is found by its id, and known to have ended."""
        course = _run(connector, lambda: connector.course(known.ended))
        assert isinstance(course, Course)
        assert (course.id, course.ended) == (known.ended, True)

    def test_missing_course(self, connector: Connector[Any], known: Known) -> None:
        """A course that does not exist is None, not an error."""
        assert _run(connector, lambda: connector.course(known.missing)) is None

    def test_forbidden_course(self, connector: Connector[Any], known: Known) -> None:
        """A course that may not be read raises `NoAccess`: it must not pass for one that does not exist."""
        if known.forbidden is None:
            pytest.skip("this LMS does not tell a forbidden course from a missing one")
        forbidden = known.forbidden
        with pytest.raises(NoAccess):
            _run(connector, lambda: connector.course(forbidden))

    def test_records_are_valid(self, connector: Connector[Any], known: Known) -> None:
        """Every record fits the model of its kind; two of one kind and id are equal."""
        export = _export(connector, known)
        assert export.records, "the export holds no record"
        for record in (record for records in export.records.values() for record in records):
            assert record.kind not in _FRAMEWORK, f"records of {record.kind} are written by the framework"
            _fits(record)
            assert export.of(record.kind)[record.id] == record.data, f"two different {record.kind} {record.id}"

    def test_files_can_be_asked_for(self, connector: Connector[Any], known: Known) -> None:
        """Every file has an id of its own and an http address, or a gap that names it."""
        export = _export(connector, known)
        _unique("file", [file.id for file in export.files])
        if not connector.over_http:
            return
        gaps = {gap.id for gap in export.gaps_of(Kind.FILES)}
        for file in export.files:
            assert file.id in gaps or _is_address(file.url), f"file {file.id}: {file.url!r} is no address"
        for native in export.native:
            assert _is_address(native.url), f"native export {native.name}: {native.url!r} is no address"

    def test_files_can_be_opened(self, connector: Connector[Any], known: Known) -> None:
        """Where files come from elsewhere than HTTP, each can be read whole, twice, and has the size it was said to."""
        if connector.over_http:
            pytest.skip("files are asked for over HTTP")

        async def read_all() -> list[tuple[RemoteFile | NativeExport, int]]:
            export = await collect(connector, await _course(connector, known))
            named: list[RemoteFile | NativeExport] = [file for file in export.files if file.url]
            named += export.native
            return [(file, await _size(connector, file)) for file in named for _ in range(2)]

        for file, size in _run(connector, read_all):
            assert file.size in (None, 0, size), f"{file.name}: {size} bytes came, {file.size} were said"

    def test_raw_pages_can_be_kept(self, connector: Connector[Any], known: Known) -> None:
        """Raw pages are JSON, under stable plain names."""
        for page in _export(connector, known).pages:
            assert re.fullmatch(r"\w+", page.endpoint, re.ASCII), f"{page.endpoint!r} is no plain name"
            assert json.loads(json.dumps(page.body, allow_nan=False)) == page.body

    def test_numbers_add_up(self, connector: Connector[Any], known: Known) -> None:
        """What is expected of a kind is captured or a gap, neither less nor more."""
        export = _export(connector, known)
        assert export.expected, "the export says of nothing how much there is; yield Expected"
        for kind in {expected.kind for expected in export.expected}:
            gaps = [gap.count for gap in export.gaps_of(kind)]
            if None in gaps:
                continue
            wanted = sum(expected.count for expected in export.expected if expected.kind is kind)
            missing = sum(count or 0 for count in gaps)
            captured = export.captured(kind)
            assert wanted == captured + missing, f"{kind}: {wanted} expected, {captured} captured, {missing} in gaps"

    def test_export_repeats_itself(self, connector: Connector[Any], known: Known) -> None:
        """Two exports of an unchanged course give the same, but for the order and the addresses of files."""

        async def twice() -> tuple[Export, Export]:
            course = await _course(connector, known)
            return await collect(connector, course), await collect(connector, course)

        first, second = _run(connector, twice)
        for name, value in _comparable(first).items():
            assert value == _comparable(second)[name], f"two exports differ in {name}"

    def test_export_of_a_vanished_course(self, connector: Connector[Any], known: Known) -> None:
        """The export of a course that vanished meanwhile raises `NotFound`: it never gives an empty course."""

        async def export_vanished() -> Export:
            course = await _course(connector, known)
            return await collect(connector, replace(course, id=known.missing))

        with pytest.raises(NotFound):
            _run(connector, export_vanished)

    def test_export_holds_no_secret(self, connector: Connector[Any], known: Known) -> None:
        """No part of an export holds a secret of the settings."""
        export = _export(connector, known)
        _hold_no_secret(connector, [repr(getattr(export, name)) for name in Export.__slots__])

    def test_cancelled_export_leaves_nothing_open(self, connector: Connector[Any], known: Known) -> None:
        """An export that is cancelled, or left after its first part, frees its places; the connector still works."""

        async def cancel() -> Course | None:
            course = await _course(connector, known)
            task = asyncio.create_task(collect(connector, course))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            async with aclosing(cast(Any, connector.export(course))) as parts:
                await anext(parts)
            assert not connector.over_http or connector.client.governor.in_flight == 0, "a request is still in flight"
            return await connector.course(known.ended)

        assert _run(connector, cancel) is not None


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no connection")


#: what a broken LMS answers
_FAULTS: Mapping[str, Callable[[httpx.Request], httpx.Response]] = {
    "unreachable": _unreachable,
    "error": lambda request: httpx.Response(502, html="<html>Bad gateway</html>"),
    "html": lambda request: httpx.Response(200, html="<html>Log in</html>"),
    "refused": lambda request: httpx.Response(401, json={}, headers={"WWW-Authenticate": "Bearer"}),
    "empty": lambda request: httpx.Response(200, json=None),
}


def _run(connector: Connector[Any], main: Callable[[], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with asyncio.timeout(_PATIENCE), connector:
            return await main()

    return asyncio.run(opened())


def _hold_failed_check(broken: Connector[Any], why: str) -> None:
    steps = _run(broken, lambda: _list(broken.check()))
    assert steps, "check() yielded no step"
    assert not steps[-1].ok, f"the last step is ok, though {why}"
    assert all(step.ok or (step.detail and step.remedy) for step in steps), "a failed step lacks detail or remedy"


async def _size(connector: Connector[Any], file: RemoteFile | NativeExport) -> int:
    async with connector.open(file) as download:
        return sum([len(chunk) async for chunk in download.chunks])


async def _list(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


async def _course(connector: Connector[Any], known: Known) -> Course:
    course = await connector.course(known.ended)
    assert course is not None, f"the known course {known.ended} is not found"
    return course


def _export(connector: Connector[Any], known: Known) -> Export:
    async def main() -> Export:
        return await collect(connector, await _course(connector, known))

    return _run(connector, main)


async def _complaint(connector: Connector[Any], course_id: str) -> str:
    try:
        return repr(await connector.course(course_id))
    except ConnectorError as error:
        return f"{error!r} {error}"


def _secrets(connector: Connector[Any]) -> Iterator[str]:
    settings = connector.settings
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _hold_no_secret(connector: Connector[Any], told: list[str]) -> None:
    for secret in _secrets(connector):
        assert not any(secret in text for text in told), "a secret of the settings is told"


def _unique(what: str, ids: list[str]) -> None:
    twice = [id_ for id_, times in Counter(ids).items() if times > 1]
    assert not twice, f"{what} ids that come twice: {twice}"
    assert all(isinstance(id_, str) and id_ for id_ in ids), f"a {what} id is empty or no text"


def _is_address(text: str) -> bool:
    url = httpx.URL(text)
    return url.scheme in ("http", "https") and bool(url.host)


def _fits(record: Record) -> None:
    assert isinstance(record.id, str), f"{record.kind}: the id {record.id!r} is no text"
    assert record.id, f"{record.kind}: a record has an empty id"
    assert "id" not in record.data, f"{record.kind} {record.id}: the id stands in the data too"
    try:
        MODELS[record.kind].model_validate({"id": record.id, **record.data})
    except ValidationError as error:
        raise AssertionError(f"{record.kind} {record.id}: {error}") from None


def _comparable(export: Export) -> dict[str, Any]:
    files = [replace(file, url="https://x", withheld=None, extra={}) for file in export.files]
    return {
        "records": {kind: export.of(kind) for kind in sorted(export.records)},
        "files": sorted(files, key=lambda file: file.id),
        "native exports": sorted(file.name for file in export.native),
        "expected": Counter((expected.kind, expected.count) for expected in export.expected),
        "gaps": Counter(export.gaps),
        "raw pages": Counter((page.endpoint, page.number) for page in export.pages),
    }
