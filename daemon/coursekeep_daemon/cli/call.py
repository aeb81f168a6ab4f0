"""What every command has in common: its options, the settings, the daemon, and how it prints."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from coursekeep_daemon.cli.client import ApiClient
from coursekeep_daemon.cli.errors import EXIT_INTERRUPTED, told_as_cli_errors
from coursekeep_daemon.cli.output import Printer

if TYPE_CHECKING:
    from coursekeep_daemon.settings import Settings

__all__ = ["ADDRESS_FILE", "Call", "OptionGroup", "command"]

#: in the data directory: where the running daemon can be reached
ADDRESS_FILE = "daemon.json"

_SETTINGS = Annotated[
    Path | None,
    typer.Option("--settings", envvar="COURSEKEEP_SETTINGS", help="Settings file.", show_default="settings.toml"),
]
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_URL = Annotated[
    str | None,
    typer.Option("--url", envvar="COURSEKEEP_URL", help="Address of the daemon.", show_default="from the settings"),
]
_TOKEN = Annotated[
    str | None,
    typer.Option("--token", envvar="COURSEKEEP_TOKEN", help="Token; better in the environment.", show_default=False),
]
_LOCAL: dict[str, Any] = {"settings": _SETTINGS, "json": _JSON}
_REMOTE: dict[str, Any] = {**_LOCAL, "url": _URL, "token": _TOKEN}


@dataclass(kw_only=True)
class Call:
    """One call of a command: its common options and what follows from them."""

    settings_path: Path | None
    as_json: bool
    url: str | None = None
    token: str | None = field(default=None, repr=False)

    @cached_property
    def print(self) -> Printer:
        """How this call prints."""
        return Printer(as_json=self.as_json)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when first needed: most commands only want the daemon's address."""
        from coursekeep_daemon.settings import load_settings

        with told_as_cli_errors():
            return load_settings(self.settings_path)

    def client(self) -> ApiClient:
        """Return a client of the daemon: at the given address, else where the settings say it runs."""
        return ApiClient(self.url or self._usual_url(), self.token)

    def _usual_url(self) -> str:
        daemon = self.settings.daemon
        try:
            # a daemon on a free port tells where it is; after a crash the file is stale, and nobody answers there
            told = json.loads((daemon.data_dir / ADDRESS_FILE).read_text())
            return str(told["url"])
        except (OSError, ValueError, KeyError, TypeError):
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(daemon.host, daemon.host)  # noqa: S104  # not bound here
            return f"http://[{host}]:{daemon.port}" if ":" in host else f"http://{host}:{daemon.port}"


class OptionGroup:
    """Base of dataclasses whose fields are options that several commands share."""


def command(
    group: typer.Typer, name: str, *, local: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command. Its first parameter is the `Call`; the common options are added to its own.

    A parameter that is an `OptionGroup` becomes an option for each field. `local` commands work without a daemon, so
    they take neither its address nor a token.
    """
    common = _LOCAL if local else _REMOTE

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        groups = {each.name: each.annotation for each in own if _is_group(each.annotation)}
        parameters = [each for each in own if each.name not in groups]
        for group_class in groups.values():
            parameters += _options(group_class)
        parameters += [
            inspect.Parameter(name, _KEYWORD, default=False if name == "json" else None, annotation=annotation)
            for name, annotation in common.items()
        ]

        def run(**given: Any) -> None:
            call = Call(
                settings_path=given.pop("settings"),
                as_json=given.pop("json"),
                url=given.pop("url", None),
                token=given.pop("token", None),
            )
            for name, group_class in groups.items():
                given[name] = group_class(**{each.name: given.pop(each.name) for each in fields(group_class)})
            try:
                function(call, **given)
            except KeyboardInterrupt:  # releases of Typer differ in what they make of it
                raise typer.Exit(EXIT_INTERRUPTED) from None

        parameters = [each.replace(kind=_KEYWORD) for each in parameters]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__doc__ = function.__doc__
        group.command(name)(run)
        return function

    return register


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, OptionGroup)


def _options(group_class: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group_class, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            _KEYWORD,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(group_class)
    ]
