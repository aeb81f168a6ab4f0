"""Commands that pause, resume, cancel and reimport: in a process of their own, over a real socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fakes.api_service import ApiHouse, in_house, served
from fakes.cli_process import Done, coursekeep

from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import ItemPlan

Cli = Callable[..., Awaitable[Done]]


def _test(test: Callable[[ApiHouse, Cli], Awaitable[None]]) -> None:
    async def main(house: ApiHouse) -> None:
        run, _ = await house.store.create_run(
            integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="t"
        )
        bad = {"status": ItemStatus.FAILED, "reason": "no_access"}
        plans = [ItemPlan(ref="1", **bad), ItemPlan(ref="2", **bad), ItemPlan(ref="3")]
        await house.store.change_run(run.id, RunStatus.PLANNING)
        await house.store.add_items(run.id, plans)
        async with served(house) as url:

            async def cli(*arguments: str) -> Done:
                return await coursekeep(*arguments, COURSEKEEP_URL=url, COURSEKEEP_TOKEN=house.tokens["operate"])

            await test(house, cli)

    in_house(main)


def test_pause_and_resume() -> None:
    """`pause` and `resume` act at all or at an integration, print what is paused then, and refuse a repetition."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        assert (await cli("pause")).out.startswith("paused: all (by operate since ")
        assert "paused: integration main (by operate" in (await cli("pause", "-i", "main")).out
        again = await cli("pause", "--integration", "main")
        assert "all, integration" in (await cli("integrations")).out
        answer = await cli("resume", "--json")
        done = await cli("resume", "-i", "main")

        assert (again.code, len(again.err.splitlines())) == (2, 1)
        assert "paused already, by operate" in again.err
        assert [each["level"] for each in answer.json["items"]] == ["integration"]
        assert (done.code, done.out) == (0, "nothing is paused\n")

    _test(test)


def test_a_run_is_paused_resumed_and_canceled() -> None:
    """`run pause`, `run resume` and `run cancel` print how the run stands; cancel wants it paused."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        early = await cli("run", "cancel", "1")
        paused = await cli("run", "pause", "1", "--json")
        resumed = await cli("run", "resume", "1")
        await cli("run", "pause", "1")
        canceled = await cli("run", "cancel", "1")

        assert early.code == 2
        assert "pause it first" in early.err
        assert [each["level"] for each in paused.json["pauses"]] == ["run"]
        assert resumed.code == 0
        assert "run 1 canceled (canceled by operate): 2 failed, 1 canceled" in canceled.out

    _test(test)


def test_failed_items_are_reimported() -> None:
    """`run reimport` starts a run with the chosen items or all, and says how to follow it."""

    async def test(house: ApiHouse, cli: Cli) -> None:
        bad = await cli("run", "reimport", "1", "--items", "one")
        chosen = await cli("run", "reimport", "1", "--items", "2", "--note", "n", "--idempotency-key", "k", "--json")
        rest = await cli("run", "reimport", "1")
        none = await cli("run", "reimport", "1")

        assert (bad.code, none.code) == (2, 2)
        assert "not a list of numbers" in bad.err
        assert (chosen.json["reimport_of"], chosen.json["total"], chosen.json["note"]) == (1, 1, "n")
        assert "run 3 takes 1 failed course of run 1 again" in rest.out
        assert "being reimported already, in run 2, 3" in none.err
        assert "reimports" in (await cli("run", "show", "1")).out

    _test(test)
