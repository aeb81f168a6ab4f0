"""`coursekeep package`: repair, replicate, clean. They work on the archive itself, beside a daemon or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, CliError, told_as_cli_errors

if TYPE_CHECKING:
    from coursekeep_daemon.package import Archive

__all__ = ["register"]

_SURPLUS = (
    "Nothing of this was removed, and `coursekeep package verify` does not pass with it. Look at each while nothing is "
    "being archived, and move what nobody needs out of the package. Broken uploads to an object store are removed by "
    "`coursekeep package clean`."
)


def register(group: typer.Typer) -> None:
    """Add the commands."""
    command(group, "repair", local=True)(repair)
    command(group, "replicate", local=True)(replicate)
    command(group, "clean", local=True)(clean)


def repair(
    call: Call, package: Annotated[str, typer.Argument(metavar="PACKAGE", help="Id of the package: urn:uuid:...")]
) -> None:
    """Compare a package with its replicas, and mend what one of them has whole, wherever it is damaged.

    Nothing is removed: what the inventory does not know is named. Exits 0 where every copy that was reached is whole
    now, 1 where something is lost or does not belong there, 2 where nothing could be done.
    """
    with _archive(call) as archive:
        report = archive.repair(package)
    if call.as_json:
        call.print.data(report.to_json())
    else:
        if report.mended:
            call.print.table(("mended", "at", "from"), [(each.path, each.at, each.source) for each in report.mended])
        if report.lost:
            call.print.table(("lost", "why"), [(each.path, each.what) for each in report.lost])
        if report.surplus:
            rows = [(each.path, each.at, each.what) for each in report.surplus]
            call.print.table(("not in the inventory", "at", "what"), rows)
            call.print.say(_SURPLUS)
        for address, reason in report.unreached.items():
            call.print.say(f"not reached: {address}: {reason}")
        word = "NOT WHOLE" if report.lost else "WITH SURPLUS" if report.surplus else "whole"
        call.print.say(
            f"{package}: {word} ({len(report.mended)} mended, {len(report.lost)} lost, {len(report.surplus)} surplus)"
        )
    if not report.whole:
        raise typer.Exit(EXIT_NOT_GOOD)


def replicate(
    call: Call,
    check: Annotated[bool, typer.Option("--check", help="Only say what replicas lack; copy nothing.")] = False,
) -> None:
    """Copy to every replica what it lacks. A replica that is new is made.

    Exits 0 where all replicas hold every version, 1 where one does not.
    """
    with _archive(call) as archive:
        if not archive.replicas:
            raise CliError("there are no replicas; name them as replicas in [archive] of the settings")
        rows = [row for replica in archive.replicas for row in _replicated(archive, replica, check)]
    behind = [row for row in rows if row["behind"]]
    if call.as_json:
        call.print.data({"items": rows})
    else:
        if rows:
            call.print.table(
                ("package", "replica", "copied", "behind"),
                [(row["package_id"], row["replica"], row["versions"], row["behind"]) for row in rows],
            )
        call.print.say(f"{len(rows)} differed, {len(behind)} are behind now")
    if behind:
        raise typer.Exit(EXIT_NOT_GOOD)


def clean(call: Call) -> None:
    """Remove uploads that were broken off more than a day ago and belong to no version. Of disks, there are none."""
    with _archive(call) as archive:
        removed = [(each.address, path) for each in (archive, *archive.replicas) for path in each.clean()]
    if call.as_json:
        call.print.data({"items": [{"archive": address, "path": path} for address, path in removed]})
    else:
        if removed:
            call.print.table(("archive", "removed"), removed)
        call.print.say(f"{len(removed)} removed")


@contextmanager
def _archive(call: Call) -> Iterator[Archive]:
    from coursekeep_daemon.archives import open_archive
    from coursekeep_daemon.logs import configure_logs

    configure_logs(call.settings.daemon.log_level, call.settings.daemon.log_format)  # not where the answer goes
    with told_as_cli_errors():
        archive = open_archive(call.settings)
        archive.check_present()
        yield archive


def _replicated(archive: Archive, replica: Archive, check: bool) -> Iterator[dict[str, str]]:
    """Yield a row for each package of which a replica lacked something."""
    from coursekeep_daemon.package import PackageBusy, PackageDamaged

    if check:
        replica.check_present()
    else:
        replica.prepare()
    for package in archive.objects():
        row = {"package_id": package, "replica": replica.address, "versions": "", "behind": ""}
        try:
            if not archive.is_behind(package, replica):
                continue
            if check:
                row["behind"] = "it lacks versions"
            else:
                row["versions"] = ", ".join(f"v{number}" for number in archive.replicate(package, replica))
        except (PackageBusy, PackageDamaged) as error:
            row["behind"] = str(error)
        yield row
