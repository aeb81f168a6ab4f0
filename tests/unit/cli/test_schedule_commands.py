"""Schedules from the command line: in a process of its own, over a real socket."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.api_service import ApiHouse, in_house, served
from fakes.cli_process import Done, coursekeep
from fakes.store_house import schedule

Cli = Callable[..., Awaitable[Done]]

WHEN = ("--cron", "0 3 15 * *")


def _test(test: Callable[[ApiHouse, Cli], Awaitable[None]]) -> None:
    async def main(house: ApiHouse) -> None:
        async with served(house) as url:

            async def cli(*arguments: str) -> Done:
                return await coursekeep(*arguments, COURSEKEEP_URL=url, COURSEKEEP_TOKEN=house.tokens["admin"])

            await test(house, cli)

    in_house(main)


WAYS: list[tuple[list[str], dict[str, Any]]] = [
    (
        ["--ended-for", "6 months", "--ended-by", "academic_year"],
        {"source": "end_date", "params": {}, "ended_for": "6 months", "ended_by": "academic_year"},
    ),
    (["--terms", "7,8"], {"source": "terms", "params": {"terms": ["7", "8"]}, "ended_for": None}),
    (["--ids", "1,sis:B"], {"source": "ids", "params": {"ids": ["1", "sis:B"]}}),
    (["--search", "bio"], {"source": "search", "params": {"text": "bio"}}),
    (
        ["--ended-before", "2026-08-01", "--ended-by", "term"],
        {"source": "end_date", "params": {"before": "2026-08-01", "ended_by": "term"}, "ended_by": "course"},
    ),
    (["--source", "ids", "--params", '{"ids": ["1"]}'], {"source": "ids", "params": {"ids": ["1"]}}),
]


@pytest.mark.parametrize(("options", "fields"), WAYS)
def test_each_way_of_selecting_makes_a_schedule(options: list[str], fields: dict[str, Any]) -> None:
    """`schedule add` takes the ways of `run start`, and --ended-for; the only integration needs no name."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        done = await cli(
            "schedule", "add", "a", *WHEN, *options, "--exclude", "X*", "--on-existing", "refresh", "--json"
        )

        assert done.code == 0, done.err
        assert {name: done.json[name] for name in fields} == fields
        assert (done.json["integration"], done.json["exclude"], done.json["on_existing"]) == ("main", ["X*"], "refresh")

    _test(test)


def test_a_schedule_of_a_file_keeps_its_text() -> None:
    """`schedule add --file` copies the table, whatever its encoding."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "courses.csv"
            file.write_bytes("course_id\nä1\n".encode("cp1252"))
            done = await cli("schedule", "add", "a", *WHEN, "--file", str(file), "--json")

        assert done.code == 0, done.err
        assert (done.json["source"], done.json["params"]) == ("csv", {"text": "course_id\nä1\n"})

    _test(test)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "a", "--ended-for", "1 day"], "Give --cron"),
        (["add", "a", *WHEN], "which courses?"),
        (["add", "a", *WHEN, "--ended-for", "1 day", "--terms", "7"], "given: --terms, --ended-for"),
        (["add", "a", *WHEN, "--source", "ids"], "--source alone"),
        (["add", "a", *WHEN, "--terms", "7", "--ended-by", "term"], "--ended-by goes with"),
        (["add", "a", *WHEN, "--ended-for", "1 day", "--source", "ids"], "is for source end_date"),
        (["add", "a", *WHEN, "--file", "/nowhere.csv"], "cannot be read"),
        (["add", "A", *WHEN, "--ended-for", "1 day"], "a name has 1 to 64 lower-case letters"),
        (["add", "a", *WHEN, "--ended-for", "soon"], "ended_for: 'soon' is no span"),
        (["add", "a", *WHEN, "--ended-for", "1 day", "--time-zone", "Mars"], "time_zone: 'Mars' is no time zone"),
        (["add", "a", "--cron", "often", "--ended-for", "1 day"], "cron: 'often' is no cron rule"),
        (["add", "a", "--cron", "0 0 31 2 *", "--ended-for", "1 day"], "never comes"),
        (["add", "a", *WHEN, "--ended-for", "1 day", "--include", "account:"], "include.0"),
        (["change", "a"], "what should change?"),
        (["change", "a", "--no-include", "--include", "X"], "contradict each other"),
        (["show", "none"], "There is no schedule 'none'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(arguments: list[str], says: str) -> None:
    """A wrong option ends with code 2 and one line that names the field; nothing is stored."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        done = await cli("schedule", *arguments)

        assert (done.code, done.out) == (2, "")
        assert says in done.err
        assert len(done.err.splitlines()) == 1
        assert await house.store.schedules() == []

    _test(test)


def test_only_what_is_named_changes() -> None:
    """`change` leaves the rest as it is; another way of selecting replaces the old one as a whole."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        await house.store.put_schedule(schedule("a", ended_by="term"))
        later = await cli("schedule", "change", "a", "--ended-for", "1 year", "--json")
        fixed = await cli("schedule", "change", "a", "--terms", "7", "--no-exclude", "--json")
        stale = await cli("schedule", "change", "a", "--cron", "0 4 * * *", "--revision", "1")
        off = await cli("schedule", "disable", "a", "--json")
        on = await cli("schedule", "enable", "a")

        assert [later.json[name] for name in ("ended_for", "ended_by", "cron")] == ["1 year", "term", "0 3 15 * *"]
        assert [fixed.json[name] for name in ("source", "ended_for", "ended_by", "exclude")] == [
            "terms",
            None,
            "course",
            [],
        ]
        assert stale.code == 2
        assert "at revision 3, not 1" in stale.err
        assert (off.json["enabled"], off.json["next_fire_times"]) == (False, [])
        assert (on.code, on.out.split(";")[0]) == (0, "schedule a enabled")

    _test(test)


def test_a_schedule_is_tried_shown_run_and_removed() -> None:
    """`add --dry-run` stores nothing; `preview`, `show`, `run`, `list` and `remove` do what they say."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        rule = ("add", "a", *WHEN, "--ended-for", "6 months")
        tried = await cli("schedule", *rule, "--dry-run")
        assert await house.store.schedules() == []
        added = await cli("schedule", *rule)
        previewed = await cli("schedule", "preview", "a")
        run = await cli("schedule", "run", "a", "--idempotency-key", "k", "--json")
        listed = await cli("run", "list", "--schedule", "a", "--json")
        others = await cli("run", "list", "--schedule", "b", "--json")
        shown = await cli("schedule", "show", "a")
        table = await cli("schedule", "list")
        removed = await cli("schedule", "remove", "a", "--json")

        assert [done.code for done in (tried, added, previewed, run, shown, table, removed)] == [0] * 7, tried.err
        assert "1 left out; cut after 1 courses" in tried.out
        assert "next tick: " in tried.out
        assert (run.json["schedule"], run.json["created_by"]) == ("a", "admin")
        assert [each["id"] for each in listed.json["items"]] == [run.json["id"]]
        assert others.json["items"] == []
        assert "next_fire_times" in shown.out.replace(" ", "_")
        assert removed.json == {"removed": "a"}

    _test(test)


def test_a_schedule_whose_last_tick_failed_is_not_good() -> None:
    """`show` exits 1 and says why; `list` says that the run was not started."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        await house.store.put_schedule(schedule("a"))
        await house.store.schedule_fired("a", datetime(2026, 5, 15, 3, tzinfo=UTC), None, error="no such source")
        shown = await cli("schedule", "show", "a")
        listed = await cli("schedule", "list")

        assert shown.code == 1
        assert "no such source" in shown.out
        assert "not started" in listed.out

    _test(test)
