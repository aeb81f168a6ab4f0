"""The plugins: each loaded in its own `try`, each with a recorded state. None can stop the daemon or another plugin."""

from __future__ import annotations

import importlib.metadata
import re
import traceback
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

import pluggy
import structlog

from coursekeep import Connector, CourseSource, hookspecs
from coursekeep_daemon.origin import close_match

__all__ = ["PluginRecord", "PluginState", "Registry", "Unknown"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: longest reason that other processes are told
_LONGEST = 1000

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")

C = TypeVar("C", bound=type[Connector[Any]] | type[CourseSource[Any]])


class PluginState(StrEnum):
    """How a plugin stands."""

    ENABLED = "enabled"
    DISABLED = "disabled"  # the settings leave it out
    FAILED = "failed"  # it could not be loaded, or registers what cannot be used
    BAD_SETTINGS = "bad_settings"  # an integration's settings do not suit its connector


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginRecord:
    """What is known about one plugin: one entry point of the group `coursekeep`."""

    name: str
    distribution: str
    version: str
    state: PluginState
    #: why it is not enabled, or what went wrong in a hook since
    reason: str = ""
    traceback: str = ""
    connectors: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return what tells this plugin from others, in every process that has it."""
        return f"{self.distribution}:{self.name}"


class Unknown(LookupError):
    """There is no connector or course source of this name; the message lists the known ones."""


class Registry:
    """All plugins of this process, and what they register."""

    def __init__(
        self,
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
        *,
        disabled: Collection[str] = (),
    ) -> None:
        """Load all plugins. Entry points may be handed in for tests; never raises because of a plugin."""
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._records: dict[str, PluginRecord] = {}
        self._connectors: dict[str, type[Connector[Any]]] = {}
        self._sources: dict[str, type[CourseSource[Any]]] = {}
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=hookspecs.PROJECT)
        for entry_point in sorted(entry_points, key=_order):
            self._load(entry_point, disabled)

    def plugins(self) -> list[PluginRecord]:
        """Return the record of every plugin, in the order in which they were loaded."""
        return list(self._records.values())

    def troubles(self) -> dict[str, str]:
        """Return what went wrong in plugins of this process, by their keys, shortened."""
        wrong = [record for record in self._records.values() if record.state is not PluginState.DISABLED]
        return {record.key: record.reason[:_LONGEST] for record in wrong if record.reason}

    def connectors(self) -> dict[str, type[Connector[Any]]]:
        """Return the connector classes by name."""
        return dict(self._connectors)

    def sources(self) -> dict[str, type[CourseSource[Any]]]:
        """Return the course source classes by name."""
        return dict(self._sources)

    def connector(self, name: str) -> type[Connector[Any]]:
        """Return a connector class. Raises `Unknown`."""
        if name not in self._connectors:
            raise Unknown(f"there is no connector {name}; {close_match(name, self._connectors)}")
        return self._connectors[name]

    def source(self, name: str) -> CourseSource[Any]:
        """Return a course source. Raises `Unknown`."""
        if name not in self._sources:
            raise Unknown(f"there is no course source {name}; {close_match(name, self._sources)}")
        return self._sources[name]()

    def failed(self) -> list[PluginRecord]:
        """Return the plugins that could not be loaded."""
        return [record for record in self._records.values() if record.state is PluginState.FAILED]

    def bad_settings(self, connector: str, reason: str) -> None:
        """Record that an integration's settings do not suit a connector, with the plugin that brought it."""
        for key, record in self._records.items():
            if connector in record.connectors:
                self._records[key] = replace(record, state=PluginState.BAD_SETTINGS, reason=reason)

    def listens(self, hook: str) -> bool:
        """Tell whether any plugin implements a hook."""
        return bool(getattr(self._manager.hook, hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a hook of every plugin, each on its own, and return their answers.

        A plugin that raises is recorded with its traceback; the others are called all the same. Blocks as long as the
        plugins do: call it in a thread.
        """
        answers = []
        for key in list(self._records):
            plugin = self._manager.get_plugin(key)
            if plugin is None:
                continue
            try:
                answers.extend(self._call_one(plugin, hook, arguments))
            except Exception as error:  # noqa: BLE001  # plugin boundary
                self._note(key, f"hook {hook}: {type(error).__name__}: {error}", traceback.format_exc())
        return answers

    def _call_one(self, plugin: object, hook: str, arguments: dict[str, Any]) -> list[Any]:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        answers: list[Any] = self._manager.subset_hook_caller(hook, others)(**arguments)
        return answers

    def _load(self, entry_point: importlib.metadata.EntryPoint, disabled: Collection[str]) -> None:
        key, record = self._record_of(entry_point)
        if entry_point.name in disabled:
            self._records[key] = replace(record, state=PluginState.DISABLED, reason="disabled in the settings")
            return
        self._records[key] = record
        try:
            plugin = entry_point.load()
            self._manager.register(plugin, name=key)
            self._manager.check_pending()
            connectors = self._registered(plugin, "register_connectors", Connector)
            sources = self._registered(plugin, "register_course_sources", CourseSource)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # plugin boundary; an import may even call sys.exit
            self._fail(key, f"{type(error).__name__}: {error}", traceback.format_exc())
            return
        taken = self._take(key, connectors, self._connectors, "connector")
        taken_sources = self._take(key, sources, self._sources, "course source")
        self._records[key] = replace(self._records[key], connectors=taken, sources=taken_sources)

    def _record_of(self, entry_point: importlib.metadata.EntryPoint) -> tuple[str, PluginRecord]:
        distribution, version = _distribution(entry_point)
        record = PluginRecord(
            name=entry_point.name, distribution=distribution, version=version, state=PluginState.ENABLED
        )
        key = entry_point.name
        while key in self._records:  # two distributions may name their plugins alike
            key += "'"
        return key, record

    def _registered(self, plugin: object, hook: str, base: type[Any]) -> list[Any]:
        classes = [cls for answer in self._call_one(plugin, hook, {}) for cls in answer or ()]
        for cls in classes:
            if not (isinstance(cls, type) and issubclass(cls, base)):
                raise TypeError(f"{hook} returned {cls!r}, which is no {base.__name__} class")
            if not _NAME.match(getattr(cls, "name", "")):
                raise ValueError(f"{cls.__qualname__}.name must be lower-case letters, digits and _")
        return classes

    def _take(self, key: str, classes: list[C], known: dict[str, C], what: str) -> tuple[str, ...]:
        """Take classes under their names: the first of a name wins, the second makes its plugin fail visibly."""
        taken = []
        for cls in classes:
            first = known.setdefault(cls.name, cls)
            if first is cls:
                taken.append(cls.name)
            else:
                self._fail(
                    key, f"the {what} {cls.name} is registered already by {first.__module__}; this one is left out"
                )
        return tuple(taken)

    def _fail(self, key: str, reason: str, trace: str = "") -> None:
        self._records[key] = replace(self._records[key], state=PluginState.FAILED, reason=reason, traceback=trace)
        if trace and (plugin := self._manager.get_plugin(key)) is not None:
            self._manager.unregister(plugin)
        log.error("plugin_failed", plugin=key, reason=reason, traceback=trace)

    def _note(self, key: str, reason: str, trace: str) -> None:
        """Record what went wrong in a hook. The plugin stays enabled: its connectors may be in use."""
        self._records[key] = replace(self._records[key], reason=reason, traceback=trace)
        log.error("hook_failed", plugin=key, reason=reason, traceback=trace)


def _order(entry_point: importlib.metadata.EntryPoint) -> tuple[bool, str, str]:
    """Load what comes with Coursekeep first, so that nobody takes over a built-in connector's name by accident."""
    distribution = _distribution(entry_point)[0] or "~"
    return distribution != hookspecs.PROJECT, distribution, entry_point.name


def _distribution(entry_point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Return name and version of what brought a plugin, empty where they are lost: a torn removal leaves such."""
    if entry_point.dist is None:
        return "", ""
    try:
        metadata = entry_point.dist.metadata
        return (metadata["Name"], metadata["Version"]) if "Name" in metadata and "Version" in metadata else ("", "")
    except Exception:  # noqa: BLE001  # plugin boundary: releases of Python differ in what they raise
        return "", ""
