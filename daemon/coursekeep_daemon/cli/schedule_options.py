"""The rule of a schedule: the options of `schedule add` and `schedule change`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from coursekeep_daemon.cli.call import OptionGroup
from coursekeep_daemon.cli.errors import CliError
from coursekeep_daemon.cli.options import Patterns, PatternsOut
from coursekeep_daemon.cli.selection import Selection, read_file
from coursekeep_daemon.text_files import text_of

__all__ = ["Rule"]

_Integration = Annotated[
    str | None, typer.Option("--integration", "-i", help="Integration; not needed where there is only one.")
]
_Cron = Annotated[str | None, typer.Option("--cron", help='Minute, hour, day, month, weekday: "0 3 15 * *".')]
_Zone = Annotated[str | None, typer.Option("--time-zone", help="Time zone of the cron rule; else the daemon's.")]
_For = Annotated[str | None, typer.Option("--ended-for", help='Courses that have ended this long: "6 months".')]
_By = Annotated[
    Literal["course", "term", "academic_year"] | None,
    typer.Option("--ended-by", help="With --ended-for or --ended-before: whose end counts.", show_default="course"),
]
_Before = Annotated[
    str | None, typer.Option("--ended-before", metavar="DATE", help="Courses that have ended before a fixed day.")
]
_Terms = Annotated[str | None, typer.Option("--terms", metavar="ID,ID", help="Courses of these terms.")]
_Ids = Annotated[str | None, typer.Option("--ids", metavar="ID,ID", help="Courses by id, or SIS id as sis:ID.")]
_Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Courses by name or code.")]
_File = Annotated[Path | None, typer.Option("--file", help="CSV with a column of course ids or SIS ids; it is copied.")]
_Source = Annotated[str | None, typer.Option("--source", help="Course source by name, with --params or --file.")]
_Params = Annotated[str | None, typer.Option("--params", metavar="JSON", help="Parameters of --source.")]
_Existing = Annotated[
    Literal["skip", "refresh"] | None,
    typer.Option("--on-existing", help="What to do with courses archived before.", show_default="skip"),
]

_WAYS = "--ended-for, --terms, --ids, --search, --ended-before, --file or --source with --params"


@dataclass(frozen=True, kw_only=True)
class Rule(OptionGroup):
    """When, and which courses."""

    integration: _Integration = None
    cron: _Cron = None
    time_zone: _Zone = None
    ended_for: _For = None
    ended_by: _By = None
    terms: _Terms = None
    ids: _Ids = None
    search: _Search = None
    ended_before: _Before = None
    file: _File = None
    source: _Source = None
    params: _Params = None
    on_existing: _Existing = None
    include: Patterns = None
    exclude: PatternsOut = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of the API that the options name, and no others. Nothing is sent where they clash."""
        plain = ("integration", "cron", "time_zone", "on_existing", "include", "exclude")
        named = {name: getattr(self, name) for name in plain if getattr(self, name) is not None}
        return named | self._selected()

    def _selected(self) -> dict[str, Any]:
        """Return source, parameters and offset of the one way of selecting; nothing where there is none."""
        fixed = Selection(
            terms=self.terms,
            ids=self.ids,
            search=self.search,
            ended_before=self.ended_before,
            ended_by=self.ended_by or "course",
            file=self.file,
            source=self.source,
            params=self.params,
        )
        ways = [*fixed.ways(), *(["--ended-for"] if self.ended_for is not None else [])]
        if len(ways) > 1 or (self.source is not None and not ways):
            raise CliError(f"which courses? Give one of {_WAYS}; given: {', '.join(ways) or '--source alone'}.")
        if self.ended_for is not None:
            if self.source not in (None, "end_date"):
                raise CliError(f"--ended-for is for source end_date, not {self.source}. Leave one of them out.")
            by = {"ended_by": self.ended_by} if self.ended_by else {}
            return {"source": "end_date", "params": {}, "ended_for": self.ended_for, **by}
        if not ways:
            return {"ended_by": self.ended_by} if self.ended_by else {}
        if self.ended_by is not None and self.ended_before is None:
            raise CliError("--ended-by goes with --ended-for or --ended-before. Leave it out.")
        source, params = fixed.chosen()
        content = params if self.file is None else {"text": _text(self.file)}
        # what counted back from a tick does so no more
        return {"source": source, "params": content, "ended_for": None, "ended_by": "course"}

    def needed(self, fields: Mapping[str, Any]) -> None:
        """Raise `CliError` where fields are not enough for a new schedule."""
        if "cron" not in fields:
            raise CliError('when? Give --cron, minute, hour, day, month and weekday: --cron "0 3 15 * *".')
        if "source" not in fields:
            raise CliError(f"which courses? Give one of {_WAYS}.")


def _text(file: Path) -> str:
    data = read_file(file)
    text = text_of(data)
    if text is None or not data.strip():
        raise CliError(f"{file}: it is {'empty' if text is not None else 'no text'}. Export the table as CSV.")
    return text
