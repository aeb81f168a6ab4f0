"""`coursekeep doctor`: what is wrong with a deployment, and what to do."""

from __future__ import annotations

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "doctor")(doctor)


def doctor(call: Call) -> None:
    """Look at the deployment, with or without a running daemon, and say what to do. Exits 1 where a step failed."""
    from dataclasses import asdict

    from coursekeep_daemon.doctor import Health, examine

    findings = list(examine(call.settings_path, url=call.url, token=call.token))
    bad = any(one.health is Health.FAILED for one in findings)
    if call.as_json:
        call.print.data({"ok": not bad, "steps": [asdict(one) for one in findings]})
    else:
        rows = [(one.step, one.health.value, one.detail, one.remedy) for one in findings]
        call.print.table(("step", "health", "detail", "what to do"), rows)
    if bad:
        raise typer.Exit(EXIT_NOT_GOOD)
