"""`coursekeep connector test`: the scorecard of an installed connector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, told_as_cli_errors
from coursekeep_daemon.cli.output import plain

if TYPE_CHECKING:
    from coursekeep.testing.scorecard import Mark, Scorecard

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    connector = typer.Typer(help="Connectors of institutions, as their authors see them.", no_args_is_help=True)
    app.add_typer(connector, name="connector")
    command(connector, "test", local=True)(connector_test)


def connector_test(
    call: Call,
    distribution: Annotated[
        str, typer.Argument(metavar="DIST", help="Installed distribution that brings the connector.")
    ],
    grade: Annotated[
        Literal["required", "expected", "exemplary"],
        typer.Option("--grade", help="Grade that must be reached; each includes those before."),
    ] = "required",
    time_limit: Annotated[float, typer.Option("--time-limit", min=1.0, help="Seconds for the whole suite.")] = 1800.0,
) -> None:
    """Run the conformance suite against an installed connector. Exits 1 where the grade is not reached."""
    from coursekeep_daemon.conformance import conformance_modules, run_suite

    with told_as_cli_errors():
        modules = conformance_modules(distribution)
        card = run_suite(modules, seconds=time_limit)
    from coursekeep.testing.grades import Grade

    reached = card.grade is not None and card.grade.rank >= Grade(grade).rank
    if call.as_json:
        call.print.data({"distribution": distribution, "wanted": grade, "reached": reached, **card.to_json()})
    else:
        _show(call, card, wanted=grade, reached=reached)
    if not reached:
        raise typer.Exit(EXIT_NOT_GOOD)


def _show(call: Call, card: Scorecard, *, wanted: str, reached: bool) -> None:
    outcomes = ("passed", "failed", "not applicable")
    rows = card.counts().items()
    call.print.table(
        ("area", *outcomes), [(area, *(count or "" for count in counts.values())) for area, counts in rows]
    )
    skipped = {mark.detail: None for mark in card.marks if mark.outcome == "not applicable"}
    for reason in skipped:
        call.print.say(f"not applicable: {plain(reason)}")
    for mark in card.failures():
        call.print.say("")
        for line in _told(mark):
            call.print.say(line)
    for other in card.others:
        call.print.say(f"\na test of its own failed, which counts for no grade: {plain(other)}")
    call.print.say(f"\ngrade: {card.grade or 'none'} (wanted: {wanted}{'' if reached else ', not reached'})")


def _told(mark: Mark) -> list[str]:
    fields: dict[str, Any] = {
        "what": mark.detail,
        "where": f"{mark.suite}.{mark.test}, {mark.where}",
        "what to do": mark.remedy,
    }
    return [
        f"FAILED ({mark.grade}, {mark.area}): {mark.fact}",
        *(f"  {name}: {plain(' '.join(str(text).split()))}" for name, text in fields.items()),
    ]
