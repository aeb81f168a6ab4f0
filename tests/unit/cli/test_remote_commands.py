"""Commands that ask a daemon: in a process of their own, over a real socket."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.api_service import ApiHouse, in_house, served
from fakes.cli_process import Done, coursekeep

from coursekeep import CheckStep
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store.records import ItemPlan, PackageVersion

Cli = Callable[..., Awaitable[Done]]


def _test(test: Callable[[ApiHouse, Cli], Awaitable[None]], scope: str = "admin") -> None:
    async def main(house: ApiHouse) -> None:
        async with served(house) as url:

            async def cli(*arguments: str) -> Done:
                return await coursekeep(*arguments, COURSEKEEP_URL=url, COURSEKEEP_TOKEN=house.tokens[scope])

            await test(house, cli)

    in_house(main)


async def _finished_run(house: ApiHouse, *plans: ItemPlan) -> int:
    run, _ = await house.store.create_run(
        integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="t"
    )
    await house.store.change_run(run.id, RunStatus.PLANNING)
    await house.store.add_items(run.id, plans)
    await house.store.change_run(run.id, RunStatus.PROCESSING)
    await house.store.finish_run_if_done(run.id)
    return run.id


GONE = ItemPlan(ref="9", status=ItemStatus.NOT_FOUND, detail="the LMS knows no such course")
BAD = ItemPlan(ref="8", status=ItemStatus.FAILED, reason="no_access", course_name="[red]\x1b[31mX")

SELECTIONS: list[tuple[list[str], str, dict[str, Any]]] = [
    (["--ids", "1, sis:B"], "ids", {"ids": ["1", "sis:B"]}),
    (["--terms", "7,8"], "terms", {"terms": ["7", "8"]}),
    (["--search", "bio"], "search", {"text": "bio"}),
    (["--ended-before", "2026-08-01"], "end_date", {"before": "2026-08-01", "ended_by": "course"}),
    (["--source", "ids", "--params", '{"ids": ["1"]}'], "ids", {"ids": ["1"]}),
]


@pytest.mark.parametrize(("options", "source", "params"), SELECTIONS)
def test_each_way_of_selecting_starts_a_run(options: list[str], source: str, params: dict[str, Any]) -> None:
    """`run start` turns its options into a source and its parameters, for the only integration there is."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        done = await cli("run", "start", *options, "--on-existing", "refresh", "--exclude", "X*", "--json")

        assert done.code == 0, done.err
        asked = house.service.asked[0]
        assert (asked.integration, asked.source, dict(asked.params)) == ("main", source, params)
        assert (asked.on_existing, list(asked.exclude)) == ("refresh", ["X*"])
        assert done.json["id"] == 1

    _test(test)


def test_a_csv_is_sent_as_it_is() -> None:
    """`run start --file` sends the bytes of the file; the daemon reads its encoding."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "courses.csv"
            file.write_bytes("course_id\nä1\n".encode("cp1252"))
            done = await cli("run", "start", "--source", "csv", "--file", str(file), "--include", "A", "--include", "B")

        assert done.code == 0, done.err
        assert house.service.asked[0].params == {"text": "course_id\nä1\n"}
        assert list(house.service.asked[0].include) == ["A", "B"]

    _test(test)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "exactly one of"),
        (["--ids", "1", "--search", "x"], "given: --ids, --search"),
        (["--ids", " , "], "names no id"),
        (["--params", "{}"], "--params needs --source"),
        (["--source", "ids", "--params", "["], "not JSON"),
        (["--source", "terms", "--ids", "1"], "is for source ids"),
        (["--file", "/nowhere.csv"], "cannot be read"),
        (["--ids", "1", "--integration", "other"], "no integration"),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused(options: list[str], says: str) -> None:
    """Wrong options end with code 2 and one line that says what to do; nothing is started."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        done = await cli("run", "start", *options)

        assert (done.code, done.out) == (2, "")
        assert says in done.err
        assert len(done.err.splitlines()) == 1
        assert house.service.asked == []

    _test(test)


def test_exit_codes_tell_how_a_run_ended() -> None:
    """`run show` and `run watch` exit 0 for a run without failures and 1 for one with."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        good, bad = await _finished_run(house, GONE), await _finished_run(house, GONE, BAD)

        for command in ("show", "watch"):
            assert (await cli("run", command, str(good))).code == 0
            done = await cli("run", command, str(bad))
            assert done.code == 1
            assert "completed with errors" in done.out
            assert "1 failed, 1 not found" in done.out

    _test(test)


def test_a_watched_run_says_where_the_reasons_are() -> None:
    """At its end `run watch` names the command that tells why courses were not archived; for programs it does not."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        known = ItemPlan(ref="7", status=ItemStatus.SKIPPED, reason="archived", archived_in_run=1)
        run = await _finished_run(house, GONE, known)

        told = await cli("run", "watch", str(run))
        assert told.out.splitlines()[-2:] == [
            f"Why not found: coursekeep run items {run} --status not_found",
            f"Why skipped: coursekeep run items {run} --status skipped",
        ]
        assert "Why" not in (await cli("run", "watch", str(run), "--json")).out

    _test(test)


def test_names_of_an_lms_cannot_speak_to_the_terminal() -> None:
    """Markup is shown as text and control characters are replaced."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        run_id = await _finished_run(house, BAD)
        done = await cli("run", "items", str(run_id))

        assert done.code == 0
        assert "[red]\N{REPLACEMENT CHARACTER}[31mX" in done.out
        assert "\x1b" not in done.out

    _test(test)


def test_a_list_is_read_over_its_pages() -> None:
    """`--all` prints more entries than one page holds; `--limit` as many as asked for."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        run_id = await _finished_run(house, *(ItemPlan(ref=str(n), status=ItemStatus.NOT_FOUND) for n in range(450)))

        assert len((await cli("run", "items", str(run_id), "--all", "--json")).json["items"]) == 450
        assert len((await cli("run", "items", str(run_id), "--limit", "250", "--json")).json["items"]) == 250

    _test(test)


def test_a_failed_check_exits_1_and_says_what_to_do() -> None:
    """`check` prints each step with its remedy, and exits 1 where one failed."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        assert (await cli("check")).code == 0
        house.service.check_steps = [CheckStep(name="token", ok=False, detail="expired", remedy="Make a new one.")]
        done = await cli("check", "main")

        assert done.code == 1
        assert "Make a new one." in done.out

    _test(test)


def test_readiness_is_an_exit_code() -> None:
    """`ready` exits 0 where the daemon can work, 1 with the reasons where it cannot, 2 where none answers."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        good = await cli("ready", "--token", "")
        house.service.reasons = {"storage": "the disk is full"}
        held = await cli("ready")
        told = await cli("ready", "--json")
        gone = await cli("ready", "--url", "http://127.0.0.1:1")

        assert (good.code, held.code, gone.code) == (0, 1, 2)
        assert "storage: the disk is full" in held.out
        assert told.json == {"ready": False, "reasons": {"storage": "the disk is full"}}

    _test(test)


def test_what_the_daemon_refuses_is_one_line_and_code_2() -> None:
    """A scope that is too small, an unknown thing and an unreachable daemon all exit 2 with one line on stderr."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        refused = [
            await cli("run", "start", "--ids", "1", "--integration", "main"),
            await cli("run", "show", "99"),
            await cli("run", "list", "--url", "http://127.0.0.1:1"),
            await cli("run", "list", "--url", "nonsense"),
            await cli("package", "verify", "no-such-thing"),
        ]

        assert [done.code for done in refused] == [2] * 5
        assert all(len(done.err.splitlines()) == 1 and "Traceback" not in done.err for done in refused)
        assert "needs a token with scope `operate`" in refused[0].err
        assert "coursekeep serve" in refused[2].err

    _test(test, scope="read")


def test_usage_errors_exit_2() -> None:
    """An unknown option or value is told with code 2."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        assert (await cli("run", "show", "x")).code == 2
        assert (await cli("run", "list", "--status", "done")).code == 2
        assert (await cli("nonsense")).code == 2

    _test(test)


PACKAGE = "urn:uuid:00000000-0000-5000-8000-000000000001"


async def _package(house: ApiHouse) -> None:
    await house.store.record_version(
        PackageVersion(
            package_id=PACKAGE,
            version=1,
            integration="main",
            course_id="1",
            course_name="Biology",
            run_id=None,
            item_id=None,
            created_at=datetime.now(UTC),
            path="x",
            payload_bytes=5,
            payload_files=1,
            gaps=0,
            completeness="complete",
        )
    )


def test_an_invalid_package_exits_1() -> None:
    """`package verify ID` has the daemon verify, prints what is wrong, and exits 0 or 1."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        await _package(house)
        good = await cli("package", "verify", PACKAGE)
        problem = SimpleNamespace(path="data/x", what="digest differs")
        report = SimpleNamespace(valid=False, checked_files=1, checked_bytes=1, problems=[problem])

        async def bad_report(package_id: str, version: int | None = None, *, by: str) -> Any:
            return report

        house.service.verify_package = bad_report
        bad = await cli("package", "verify", PACKAGE)

        assert (good.code, bad.code) == (0, 1)
        assert "digest differs" in bad.out

    _test(test)


def test_an_export_is_whole_or_not_there() -> None:
    """`package export` writes the zip, does not replace a file unasked, and leaves nothing of a broken download."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        await _package(house)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            target = folder / "bag.zip"
            done = await cli("package", "export", PACKAGE, "--output", str(target))
            again = await cli("package", "export", PACKAGE, "--output", str(target))
            assert (done.code, target.read_bytes()) == (0, b"PKzip")
            assert again.code == 2
            assert "--force" in again.err

            def breaking(package_id: str, version: int) -> Any:
                yield b"PK"
                raise OSError("the disk is gone")

            house.service.archive.iter_zip = breaking
            broken = await cli("package", "export", PACKAGE, "--output", str(target), "--force")
            assert broken.code == 2
            assert [path.name for path in folder.iterdir()] == ["bag.zip"]
            assert target.read_bytes() == b"PKzip"

    _test(test)


def test_a_schedule_is_added_and_removed() -> None:
    """`schedule add`, `list`, `preview` and `remove` do what they say."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        rule = ["--integration", "main", "--cron", "0 3 15 * *", "--ended-for", "6 months"]
        added = await cli("schedule", "add", "ended", *rule)
        listed = await cli("schedule", "list", "--json")
        previewed = await cli("schedule", "preview", "ended")
        removed = await cli("schedule", "remove", "ended")

        assert [done.code for done in (added, listed, previewed, removed)] == [0, 0, 0, 0], added.err
        assert [each["name"] for each in listed.json["items"]] == ["ended"]
        assert await house.store.schedules() == []

    _test(test)


@pytest.mark.parametrize(
    "arguments",
    [
        ["plugins"],
        ["integrations"],
        ["terms", "refresh", "main"],
        ["terms", "list", "main"],
        ["course", "list"],
        ["course", "list", "--archived"],
        ["system"],
        ["package", "list"],
        ["package", "show", PACKAGE],
        ["run", "list"],
        ["run", "preview", "--ids", "1"],
    ],
)
def test_reading_commands_print_tables_and_json(arguments: list[str]) -> None:
    """Every reading command prints something for people, and valid JSON with --json."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        await _package(house)
        for_people = await cli(*arguments)
        for_programs = await cli(*arguments, "--json")

        assert (for_people.code, for_programs.code) == (0, 0), for_people.err
        assert for_people.out.strip()
        assert isinstance(for_programs.json, dict)

    _test(test)
