"""`coursekeep package`: list, show, completeness, verify, export, fixity, accept; and what `copies` adds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.client import ApiClient
from coursekeep_daemon.cli.commands import copies
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, CliError, told_as_cli_errors

__all__ = ["register"]

_Package = Annotated[str, typer.Argument(metavar="PACKAGE", help="Id of the package: urn:uuid:...")]
_Version = Annotated[int | None, typer.Option("--version", min=1, help="Which version.", show_default="newest")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Archived courses.", no_args_is_help=True)
    app.add_typer(group, name="package")
    command(group, "list")(list_packages)
    command(group, "show")(show)
    command(group, "completeness")(completeness)
    command(group, "verify")(verify)
    command(group, "export")(export)
    command(group, "fixity")(fixity)
    command(group, "accept")(accept)
    copies.register(group)


def list_packages(
    call: Call,
    search: Annotated[str | None, typer.Option("--search", help="Text in the course's name or id.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most entries to show.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="Show all entries.")] = False,
) -> None:
    """List packages, each by its newest version."""
    with call.client() as client:
        found = client.entries("/packages", limit=None if every else limit, search=search)
    if call.as_json:
        call.print.data({"items": found})
        return
    names = ("package_id", "version", "integration", "course_id", "course_name", "completeness", "gaps")
    call.print.table(
        (*names, "MB", "verified", "valid"),
        [[*(p[name] for name in names), _megabytes(p), p["verified_at"], _valid(p)] for p in found],
    )


def show(call: Call, package: _Package) -> None:
    """Show a package with all its versions."""
    with call.client() as client:
        found = client.get(f"/packages/{package}")
    if call.as_json:
        call.print.data(found)
        return
    newest = found["versions"][-1]
    call.print.fields({**newest, **found}, ("package_id", "integration", "course_id", "course_name", "path"))
    names = ("version", "created_at", "run_id", "completeness", "gaps", "payload_files")
    call.print.table(
        (*names, "MB", "verified", "valid"),
        [[*(v[name] for name in names), _megabytes(v), v["verified_at"], _valid(v)] for v in found["versions"]],
    )


def completeness(
    call: Call,
    package: _Package,
    version: _Version = None,
    limit: Annotated[int, typer.Option("--limit", min=0, max=10_000, help="Most gaps to show.")] = 500,
) -> None:
    """Show for every kind of content how much there should be and how much there is, and the gaps with their reasons.

    Exits 0 where the version is complete, 1 where it is not.
    """
    with call.client() as client:
        chosen = version or _newest(client, package)
        found = client.get(f"/packages/{package}/versions/{chosen}/completeness", limit=limit)
    if call.as_json:
        call.print.data(found)
    else:
        names = ("expected", "captured", "gaps", "gaps_of_unknown_size", "incomplete_records", "status", "remark")
        heads = ("kind", "expected", "captured", "missing", "gaps of unknown size", "incomplete", "status", "remark")
        call.print.table(heads, [(kind, *(c[name] for name in names)) for kind, c in found["kinds"].items()])
        gap = ("kind", "id", "reason", "count", "detail")
        if found["named_gaps"]:
            call.print.say("")
            call.print.table(gap, [[each[name] for name in gap] for each in found["named_gaps"]])
        call.print.say(f"version {chosen}: {found['status']}; gaps: {found['gaps']}, shown: {len(found['named_gaps'])}")
    if found["status"] != "complete":
        raise typer.Exit(EXIT_NOT_GOOD)


def verify(
    call: Call,
    target: Annotated[
        str,
        typer.Argument(
            metavar="PATH|PACKAGE", help="A folder or zip here, s3://bucket/prefix, or the id of a package."
        ),
    ],
    version: Annotated[int | None, typer.Option("--version", min=1, help="Only this version of a package.")] = None,
) -> None:
    """Check every byte of a package: one at a path without a daemon, one by its id by the daemon.

    Exits 0 where it is valid, 1 where it is not, 2 where it could not be checked.
    """
    path = Path(target)
    if target.startswith("s3://") or path.exists():
        if version is not None:
            raise CliError("--version goes with the id of a package; a path is checked as it is.")
        report = _verify_s3(call, target) if target.startswith("s3://") else _verify_path(path)
    elif os.sep in target or not target.startswith("urn:"):
        raise CliError(f"{target}: nothing is there, and the id of a package begins with urn:uuid:. Check the path.")
    else:
        with call.client() as client:
            report = client.post(f"/packages/{target}/verify", version=version)
    _print_report(call, target, report)
    if not report["valid"]:
        raise typer.Exit(EXIT_NOT_GOOD)


def export(
    call: Call,
    package: _Package,
    version: _Version = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")] = False,
) -> None:
    """Save a package version as a zip that holds a BagIt bag."""
    with call.client() as client:
        if version is None:
            version = _newest(client, package)
        target = output or Path(f"{package.rpartition(':')[2]}-v{version}.zip")
        if target.exists() and not force:
            raise CliError(f"{target} is there already. Choose another --output, or replace it with --force.")
        size = _save(client, f"/packages/{package}/versions/{version}/download", target)
    if call.as_json:
        call.print.data({"path": str(target), "bytes": size, "package_id": package, "version": version})
    else:
        call.print.say(f"{target}: {size} bytes")


def fixity(
    call: Call,
    every: Annotated[bool, typer.Option("--all", help="Show also what is repaired.")] = False,
) -> None:
    """Show how the verification of all packages stands, and which are damaged.

    Exits 0 where none is damaged or overdue, 1 where one is.
    """
    with call.client() as client:
        stands = client.get("/fixity")
        states = (None,) if every else ("open", "accepted")
        found = [each for state in states for each in client.entries("/fixity/findings", limit=None, state=state)]
    if call.as_json:
        call.print.data({**stands, "findings": found})
    else:
        names = ("packages", "verified", "unverified", "overdue", "open", "accepted", "every", "next_at", "oldest_at")
        call.print.fields(stands, (*names, "held") if stands["held"] else names)
        if found:
            heads = ("id", "package_id", "course_name", "kind", "state", "found_at", "problem_count", "detail")
            call.print.table(heads, [[each[name] for name in heads] for each in found])
    if stands["open"] or stands["overdue"]:
        raise typer.Exit(EXIT_NOT_GOOD)


def accept(
    call: Call,
    finding: Annotated[int, typer.Argument(metavar="FINDING", help="Number of the finding.")],
    note: Annotated[str, typer.Option("--note", help="Why the damage is taken as it is.")] = "",
) -> None:
    """Take a damaged package as it is: it is not told or repaired any more, until something else is wrong with it."""
    with call.client() as client:
        found = client.post(f"/fixity/findings/{finding}/accept", {"note": note})
    if call.as_json:
        call.print.data(found)
    else:
        call.print.say(f"finding {finding}: accepted; {found['package_id']} stays as it is")


def _newest(client: ApiClient, package: str) -> int:
    return int(client.get(f"/packages/{package}")["versions"][-1]["version"])


def _verify_path(path: Path) -> Mapping[str, Any]:
    from coursekeep_daemon.package import verify_path

    with told_as_cli_errors():
        return verify_path(path).to_json()


def _verify_s3(call: Call, address: str) -> Mapping[str, Any]:
    from coursekeep_daemon.archives import s3_options, work_directory
    from coursekeep_daemon.package import verify_address

    with told_as_cli_errors():
        return verify_address(address, work_directory(call.settings), s3_options(call.settings)).to_json()


def _print_report(call: Call, target: str, report: Mapping[str, Any]) -> None:
    if call.as_json:
        call.print.data(report)
        return
    if report["problems"]:
        call.print.table(("path", "problem"), [(each["path"], each["what"]) for each in report["problems"]])
    word = "valid" if report["valid"] else "NOT VALID"
    call.print.say(f"{target}: {word} ({report['checked_files']} files, {report['checked_bytes']} bytes checked)")


def _save(client: ApiClient, path: str, target: Path) -> int:
    """Write a download beside its place and move it there when it is whole, so that no half a file is left."""
    size = 0
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
            try:
                with client.download(path) as response:
                    for piece in response.iter_raw():
                        size += part.write(piece)
                part.flush()
                os.replace(part.name, target)
            except BaseException:
                os.unlink(part.name)
                raise
    except OSError as error:
        raise CliError(f"{target}: cannot be written: {error.strerror}. Choose another --output.") from error
    return size


def _megabytes(version: Mapping[str, Any]) -> str:
    return f"{version['payload_bytes'] / 1e6:.1f}"


def _valid(version: Mapping[str, Any]) -> str:
    return {True: "yes", False: "NO"}.get(version["valid"], "")
