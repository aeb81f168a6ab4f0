"""Packages in an object store: a real one over loopback, and one that lies."""

from __future__ import annotations

import asyncio
import json
import os
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from fakes.hostile_packages import HOSTILE
from fakes.lying_store import Answer, LyingStore, lying_store
from fakes.moodle_backup import MOODLE
from fakes.package_files import CANVAS_CARTRIDGE, PLAIN_CARTRIDGE, make_mbz, make_zip
from fakes.s3_server import S3Server, s3_server
from fakes.service_bench import Bench

from coursekeep import (
    Connector,
    ConnectorError,
    CourseQuery,
    CredentialsNeeded,
    MalformedAnswer,
    NativeExport,
    NoAccess,
    NotFound,
    RemoteFile,
    RetryLater,
)
from coursekeep.testing import ConnectorContract, Known, collect
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings
from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import Run

T = TypeVar("T")

pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def packages(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same packages in a folder, and below a prefix of the bucket."""
    folder = tmp_path_factory.mktemp("packages")
    make_zip(folder / "2024" / "plain.imscc", PLAIN_CARTRIDGE)
    make_zip(folder / "2024" / "canvas 100%.zip", CANVAS_CARTRIDGE)
    make_mbz(folder / "m.mbz", MOODLE)
    (folder / "readme.txt").write_text("no package")
    (folder / "empty").write_bytes(b"")
    for path in folder.rglob("*"):
        if path.is_file():
            s3.put(f"lms/packages/{path.relative_to(folder)}", path)
    s3.put("lms/packages-of-others/x.imscc", folder / "2024" / "plain.imscc")
    return folder


def ask(settings: dict[str, Any], question: Callable[[PackagesConnector], Awaitable[T]]) -> T:
    async def main() -> T:
        async with PackagesConnector(PackagesSettings(**settings)) as connector:
            return await question(connector)

    return asyncio.run(main())


def list_of(settings: dict[str, Any]) -> list[str]:
    async def question(connector: PackagesConnector) -> list[str]:
        return [course.id async for course in connector.courses(CourseQuery())]

    return ask(settings, question)


async def whole(connector: PackagesConnector, course_id: str) -> tuple[list[Any], dict[str, bytes]]:
    """Return all parts without their addresses, and the bytes of all files."""
    course = await connector.course(course_id)
    assert course is not None
    export = await collect(connector, course)
    data: dict[str, bytes] = {}
    for file in [*export.files, *export.native]:
        if file.url:
            async with connector.open(file) as download:
                data[file.name] = b"".join([chunk async for chunk in download.chunks])
    files = [replace(file, url="x") if file.url else file for file in export.files]
    return [*export.records, *export.gaps, *files], data


class TestPackagesInS3(ConnectorContract):
    """Packages in an object store keep the contract of all connectors."""

    @pytest.fixture(params=["2024/plain.imscc", "2024/canvas 100%25.zip", "m.mbz"])
    def known(self, request: pytest.FixtureRequest) -> Known:
        return Known(
            ended=request.param.replace("2024/canvas 100%25", "2024/canvas%20100%25"), missing="2024/none.imscc"
        )

    @pytest.fixture
    def connector(self, s3: S3Server, packages: Path) -> Connector[Any]:
        return PackagesConnector(PackagesSettings(**s3.settings("lms/packages")))

    @pytest.fixture
    def broken(self, s3: S3Server) -> Sequence[Connector[Any]]:
        settings = [
            s3.settings("lms/nothing"),
            s3.settings(account=s3.stranger),
            s3.settings() | {"s3_secret_access_key": "another"},
            s3.settings() | {"path": "s3://no-such-bucket/x"},
        ]
        return [PackagesConnector(PackagesSettings(**each)) for each in settings]


def test_object_store_gives_what_a_disk_gives(s3: S3Server, packages: Path) -> None:
    """Courses, records, gaps and bytes are the same, wherever the packages lie; other prefixes are not listed."""
    on_disk = {"path": packages}
    below = s3.settings("lms/packages")

    assert list_of(below) == list_of(on_disk) == ["2024/canvas%20100%25.zip", "2024/plain.imscc", "m.mbz"]
    for course_id in list_of(on_disk):
        question = lambda connector, id_=course_id: whole(connector, id_)  # noqa: E731
        assert ask(below, question) == ask(on_disk, question)


def test_object_replaced_while_it_is_read_is_an_error(s3: S3Server, tmp_path: Path) -> None:
    """What is read of an object that is replaced meanwhile never mixes two states: the course is repeated later."""
    s3.put("replaced/a.mbz", make_mbz(tmp_path / "a.mbz", MOODLE | {"files/00/big": os.urandom(20 * 2**20)}))

    async def question(connector: PackagesConnector) -> list[RemoteFile]:
        course = await connector.course("a.mbz")
        assert course is not None
        files = []
        async for part in connector.export(course):
            if isinstance(part, RemoteFile) and part.url:
                files.append(part)
                s3.put("replaced/a.mbz", make_mbz(tmp_path / "b.mbz", MOODLE))
        return files

    with pytest.raises(RetryLater, match="changed while it was read"):
        ask(s3.settings("replaced"), question)


def test_address_is_good_for_one_state_only(s3: S3Server, tmp_path: Path) -> None:
    """A file that was named before its package was replaced cannot be opened any longer, nor once it is gone."""
    s3.put("state/a.imscc", make_zip(tmp_path / "a.imscc", PLAIN_CARTRIDGE))

    async def named(connector: PackagesConnector) -> RemoteFile:
        course = await connector.course("a.imscc")
        assert course is not None
        return next(file for file in (await collect(connector, course)).files if file.url)

    async def opened(connector: PackagesConnector) -> None:
        async with connector.open(file) as download:
            assert [chunk async for chunk in download.chunks]

    file = ask(s3.settings("state"), named)
    ask(s3.settings("state"), opened)
    s3.put("state/a.imscc", make_zip(tmp_path / "b.imscc", CANVAS_CARTRIDGE))
    with pytest.raises(RetryLater, match="changed"):
        ask(s3.settings("state"), opened)
    s3.delete("state/a.imscc")
    with pytest.raises(NotFound):
        ask(s3.settings("state"), opened)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"path": "s3://no-such-bucket/x"}, NotFound, "the bucket no-such-bucket does not exist"),
        ({"s3_secret_access_key": "another"}, CredentialsNeeded, "SignatureDoesNotMatch"),
        ({"s3_access_key_id": "nobody"}, CredentialsNeeded, "InvalidAccessKeyId"),
        ({"s3_access_key_id": "STRANGER", "s3_secret_access_key": "STRANGER"}, NoAccess, "may not list the bucket"),
        ({"s3_endpoint": "http://127.0.0.1:9"}, RetryLater, "could not be reached"),
    ],
    ids=["bucket", "secret", "key", "access", "away"],
)
def test_what_is_wrong_is_said_without_secrets(
    s3: S3Server, change: dict[str, str], error: type[ConnectorError], words: str
) -> None:
    """Each fault of settings, rights or network is the error that leads to the right next step, and names no secret."""
    chosen = {"s3_access_key_id": s3.stranger.key, "s3_secret_access_key": s3.stranger.secret}
    settings = s3.settings() | {key: chosen[key] if value == "STRANGER" else value for key, value in change.items()}

    with pytest.raises(error, match=words) as caught:
        list_of(settings)

    for account in (s3.owner, s3.stranger):
        assert account.key not in str(caught.value)
        assert account.secret not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_credentials_that_end_during_a_run_halt_it(s3: S3Server, packages: Path) -> None:
    """An answer without body, as to HEAD, does not hide that the credentials are refused, not the object."""
    wrong = s3.settings("lms/packages") | {"s3_secret_access_key": "another"}
    with pytest.raises(CredentialsNeeded):
        ask(wrong, lambda connector: connector.course("m.mbz"))
    with pytest.raises(NoAccess):
        ask(s3.settings("lms/packages", s3.stranger), lambda connector: connector.course("m.mbz"))


def test_hostile_package_in_an_object_store_is_refused(s3: S3Server, tmp_path: Path) -> None:
    """Hostile packages are refused from there as from a disk."""
    for name in ("escape.mbz", "ratio.imscc", "cut.mbz"):
        make, reason = HOSTILE[name]
        make(tmp_path / name)
        s3.put(f"hostile/{name}", tmp_path / name)
        with pytest.raises(MalformedAnswer, match=reason):
            ask(s3.settings("hostile"), lambda connector, id_=name: whole(connector, id_))  # type: ignore[misc]


def test_large_package_is_read_in_little_memory(s3: S3Server, tmp_path: Path) -> None:
    """A package is never fetched as a whole: a few blocks of it are in memory, whatever its size."""
    large = {f"files/00/{number}": os.urandom(8 * 2**20) for number in range(10)}
    s3.put("large/a.mbz", make_mbz(tmp_path / "a.mbz", MOODLE | large))
    del large
    tracemalloc.start()

    async def question(connector: PackagesConnector) -> int:
        course = await connector.course("a.mbz")
        assert course is not None
        total = 0
        async for part in connector.export(course):
            if isinstance(part, RemoteFile | NativeExport) and part.url:
                async with connector.open(part) as download:
                    async for chunk in download.chunks:
                        total += len(chunk)
        return total

    total = ask(s3.settings("large"), question)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 160 * 2**20
    assert peak < 48 * 2**20


def test_packages_in_an_object_store_are_archived(s3: S3Server, packages: Path, tmp_path: Path) -> None:
    """The whole service archives them, and each package says where it comes from, without credentials."""
    bench = Bench(tmp_path, cast(Any, SimpleNamespace(url="", token="")))
    bench.integration = {"connector": "packages", **s3.settings("lms/packages")}

    async def main() -> Run:
        async with bench.service() as service:
            request = RunRequest(integration="main", source="terms", params={"terms": ["2024", "."]})
            run, _ = await service.start_run(request, by="tester")
            return await bench.finished(service, run, seconds=120)

    run = asyncio.run(main())
    assert run.counts[ItemStatus.COMPLETED] == 3
    texts = [path.read_text() for path in tmp_path.rglob("course.json")]
    assert len(texts) == 3
    for text in texts:
        assert json.loads(text)["source"]["base_url"] == f"s3://exports/lms/packages?endpoint={s3.url}"
        assert s3.owner.key not in text


def lied_to(store: LyingStore, question: Callable[[PackagesConnector], Awaitable[T]]) -> T:
    settings = {"path": "s3://exports", "s3_endpoint": store.url, "s3_region": "here"}
    return ask(settings | {"s3_access_key_id": "KEY-ID", "s3_secret_access_key": "made-up"}, question)


@pytest.mark.parametrize(
    ("lie", "error", "words"),
    [
        (Answer(tag='"two"'), RetryLater, "changed while it was read"),
        (Answer(status=412, body=b""), RetryLater, "changed while it was read"),
        (Answer(body=b"half", length=4), RetryLater, "4 bytes came"),
        (Answer(body=b"half", length=4000), RetryLater, "did not answer in time"),
        (Answer(status=503, body=b"<Error><Code>SlowDown</Code></Error>"), RetryLater, "answered 503"),
        (Answer(status=400, body=b"<Error><Code>Odd</Code></Error>"), MalformedAnswer, "answered 400 and Odd"),
        (Answer(status=403, body=b"<Error><Code>ExpiredToken</Code></Error>"), CredentialsNeeded, "ExpiredToken"),
        (Answer(status=301, body=b"<Error><Code>PermanentRedirect</Code></Error>"), NoAccess, "set s3_region"),
    ],
    ids=["tag", "precondition", "short", "broken", "busy", "odd", "expired", "region"],
)
def test_ranges_that_are_not_as_promised_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: Answer, error: type[ConnectorError], words: str
) -> None:
    """Another state, fewer bytes than asked for, and refusals never pass for content, nor for a damaged package."""
    monkeypatch.setattr("coursekeep_connectors.packages.bucket._TRIES", {"max_retries": 0})
    data = make_mbz(tmp_path / "a.mbz", MOODLE).read_bytes()
    with lying_store(LyingStore(data=data, lie=lambda start: lie)) as store, pytest.raises(error, match=words):
        lied_to(store, lambda connector: whole(connector, "a.mbz"))


def test_missing_credentials_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials in settings, environment and machine, the integration halts until somebody sets them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("coursekeep_connectors.packages.bucket._TRIES", {"max_retries": 0})

    with lying_store(LyingStore(data=b"")) as store, pytest.raises(CredentialsNeeded, match="no credentials are set"):
        list_of({"path": "s3://exports", "s3_endpoint": store.url, "s3_region": "here"})


def test_ranges_are_asked_for_in_one_state(tmp_path: Path) -> None:
    """Every range is asked for with the ETag that the object had; a weak one cannot be, and is compared only."""
    data = make_mbz(tmp_path / "a.mbz", MOODLE | {"files/00/big": os.urandom(9 * 2**20)}).read_bytes()
    for tag, asked in (('"one"', '"one"'), ('W/"one"', None)):
        with lying_store(LyingStore(data=data, tag=tag)) as store:
            _, files = lied_to(store, lambda connector: whole(connector, "a.mbz"))

        assert files["a.mbz"] == data
        assert {headers.get("if-match") for headers in store.asked} == {asked}
        assert all(headers["range"] for headers in store.asked)


def test_keys_that_are_no_paths_are_an_error(tmp_path: Path) -> None:
    """A bucket with keys that cannot be told apart as paths is not listed in part: the error says what is wrong."""
    data = make_zip(tmp_path / "a.imscc", PLAIN_CARTRIDGE).read_bytes()
    store = LyingStore(data=data, keys=("a.imscc", "odd//key"))
    with lying_store(store), pytest.raises(MalformedAnswer, match="empty parts"):
        lied_to(store, lambda connector: anext(_courses(connector)))


async def _courses(connector: PackagesConnector) -> AsyncGenerator[str]:
    async for course in connector.courses(CourseQuery()):
        yield course.id
