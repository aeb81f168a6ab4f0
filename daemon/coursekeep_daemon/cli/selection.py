"""Which courses: the options of `run start` and `run preview`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from coursekeep_daemon.cli.call import OptionGroup
from coursekeep_daemon.cli.client import ApiClient
from coursekeep_daemon.cli.errors import CliError
from coursekeep_daemon.cli.options import OnExisting, Patterns, PatternsOut, split_ids

__all__ = ["Selection", "only_integration", "read_file"]

_Integration = Annotated[
    str | None, typer.Option("--integration", "-i", help="Integration; not needed where there is only one.")
]
_Terms = Annotated[str | None, typer.Option("--terms", metavar="ID,ID", help="Courses of these terms.")]
_Ids = Annotated[str | None, typer.Option("--ids", metavar="ID,ID", help="Courses by id, or SIS id as sis:ID.")]
_Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Courses by name or code.")]
_Ended = Annotated[
    str | None, typer.Option("--ended-before", metavar="DATE", help="Courses that have ended before, as 2026-08-01.")
]
_EndedBy = Annotated[
    Literal["course", "term", "academic_year"],
    typer.Option("--ended-by", help="With --ended-before: whose end counts."),
]
_File = Annotated[Path | None, typer.Option("--file", help="CSV with a column of course ids or SIS ids.")]
_Source = Annotated[str | None, typer.Option("--source", help="Course source by name, with --params or --file.")]
_Params = Annotated[str | None, typer.Option("--params", metavar="JSON", help="Parameters of --source.")]


@dataclass(frozen=True, kw_only=True)
class Selection(OptionGroup):
    """What to archive. Exactly one way of selecting is to be given."""

    integration: _Integration = None
    terms: _Terms = None
    ids: _Ids = None
    search: _Search = None
    ended_before: _Ended = None
    ended_by: _EndedBy = "course"
    file: _File = None
    source: _Source = None
    params: _Params = None
    on_existing: OnExisting = "skip"
    include: Patterns = None
    exclude: PatternsOut = None

    def send(
        self, client: ApiClient, path: str, *, headers: Mapping[str, str] | None = None, note: str | None = None
    ) -> Any:
        """POST the request to a path and return the answer. Nothing is sent where the options make no sense."""
        source, params = self.chosen()
        content = None if self.file is None else read_file(self.file)
        body = {
            "integration": self.integration or only_integration(client),
            "on_existing": self.on_existing,
            "include": self.include or [],
            "exclude": self.exclude or [],
            "note": note,
        }
        if self.file is not None and content is not None:
            return client.post_form(path, body, (self.file.name, content), headers=headers)
        return client.post(path, {**body, "source": source, "params": params}, headers=headers)

    def chosen(self) -> tuple[str, Mapping[str, Any]]:
        """Return the source and its parameters from the one way of selecting that was used.

        Raises `CliError` where none or several were.
        """
        ways = self.ways()
        if len(ways) != 1:
            one_of = "--terms, --ids, --search, --ended-before, --file or --source with --params"
            raise CliError(f"which courses? Give exactly one of {one_of}; given: {', '.join(ways) or 'none'}.")
        way, (name, params) = next(iter(ways.items()))
        if self.source is not None and self.source != name:
            raise CliError(f"{way} is for source {name}, not {self.source}. Leave one of them out.")
        return name, params

    def ways(self) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """Return each way of selecting that was used, with its source and parameters; those of a file are its own."""
        ways: dict[str, tuple[str, Mapping[str, Any]]] = {}
        if self.terms is not None:
            ways["--terms"] = ("terms", {"terms": split_ids("--terms", self.terms)})
        if self.ids is not None:
            ways["--ids"] = ("ids", {"ids": split_ids("--ids", self.ids)})
        if self.search is not None:
            ways["--search"] = ("search", {"text": self.search})
        if self.ended_before is not None:
            ways["--ended-before"] = ("end_date", {"before": self.ended_before, "ended_by": self.ended_by})
        if self.file is not None:
            ways["--file"] = ("csv", {})
        if self.params is not None:
            if self.source is None:
                raise CliError("--params needs --source, which names the course source they are for.")
            ways["--params"] = (self.source, _json_object(self.params))
        return ways


def only_integration(client: ApiClient) -> str:
    """Return the only integration there is, or ask for a name."""
    names = [each["name"] for each in client.get("/integrations")["items"]]
    if len(names) != 1:
        raise CliError(f"which integration? Name one with --integration. Configured: {', '.join(names) or 'none'}.")
    return str(names[0])


def read_file(file: Path) -> bytes:
    """Return the content of a file that an option names."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(f"{file}: cannot be read: {error.strerror}. Check the path.") from error


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CliError(f'--params is not JSON: {error}. Give an object, for example \'{{"ids": ["1"]}}\'.') from error
    if not isinstance(value, dict):
        raise CliError('--params must be a JSON object, for example \'{"ids": ["1"]}\'.')
    return value
