"""The registry: plugins are loaded one by one, and none can stop another."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from coursekeep import Connector, CourseSource, SourceParams, hookimpl
from coursekeep_daemon.registry import PluginState, Registry, Unknown


def entry_point(name: str, plugin: object, monkeypatch: pytest.MonkeyPatch) -> importlib.metadata.EntryPoint:
    """Make an entry point that loads an object."""
    module = types.ModuleType(f"plugin_of_test_{name}")
    module.plugin = plugin  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return importlib.metadata.EntryPoint(name=name, value=f"{module.__name__}:plugin", group="coursekeep")


def connector_named(connector_name: str) -> type[Connector[Any]]:
    class Made(Connector[Any]):
        name = connector_name
        title = connector_name

    return Made


def plugin_with(connectors: list[Any] | None = None, **hooks: Callable[..., Any]) -> object:
    class Plugin:
        @hookimpl
        def register_connectors(self) -> list[Any]:
            return connectors or []

    for name, function in hooks.items():
        setattr(Plugin, name, hookimpl(function))
    return Plugin()


def test_a_plugin_brings_connectors_and_is_recorded(monkeypatch):
    """A plugin's connectors are found by name, and its record says enabled."""
    moodle = connector_named("moodle")

    registry = Registry([entry_point("mine", plugin_with([moodle]), monkeypatch)])

    (record,) = registry.plugins()
    assert registry.connector("moodle") is moodle
    assert (record.name, record.state, record.connectors) == ("mine", PluginState.ENABLED, ("moodle",))


def test_a_plugin_that_cannot_be_imported_stops_no_other(monkeypatch):
    """An import error is recorded with its traceback; the next plugin works."""
    broken = importlib.metadata.EntryPoint(name="a_broken", value="no_such_module_here", group="coursekeep")

    registry = Registry([broken, entry_point("b_good", plugin_with([connector_named("moodle")]), monkeypatch)])

    failed, good = registry.plugins()
    assert (failed.state, good.state) == (PluginState.FAILED, PluginState.ENABLED)
    assert "no_such_module_here" in failed.reason
    assert "Traceback" in failed.traceback
    assert registry.failed() == [failed]


def test_a_plugin_that_exits_at_import_stops_no_other(monkeypatch):
    """Even sys.exit in a plugin does not end the daemon."""

    class Exits:
        @hookimpl
        def register_connectors(self) -> list[Any]:
            sys.exit(3)

    registry = Registry([entry_point("exits", Exits(), monkeypatch)])

    assert registry.plugins()[0].state is PluginState.FAILED


@pytest.mark.parametrize(
    ("answer", "says"),
    [(["no class"], "no Connector class"), ([CourseSource], "no Connector class"), (7, "not iterable")],
)
def test_a_plugin_that_registers_rubbish_fails_visibly(monkeypatch, answer, says):
    """What is no connector class is refused with the plugin's name."""
    registry = Registry([entry_point("odd", plugin_with(answer), monkeypatch)])

    (record,) = registry.plugins()
    assert record.state is PluginState.FAILED
    assert says in record.reason
    assert registry.connectors() == {}


def test_a_connector_without_a_usable_name_fails_visibly(monkeypatch):
    """A connector's name is what settings say, so it must be a plain word."""
    registry = Registry([entry_point("odd", plugin_with([connector_named("My LMS")]), monkeypatch)])

    assert "lower-case" in registry.plugins()[0].reason


def test_of_two_connectors_with_one_name_the_first_wins(monkeypatch):
    """The second plugin is recorded as failed, and says who was first."""
    first, second = connector_named("moodle"), connector_named("moodle")

    registry = Registry(
        [
            entry_point("b", plugin_with([second]), monkeypatch),
            entry_point("a", plugin_with([first]), monkeypatch),
        ]
    )

    assert registry.connector("moodle") is first
    assert [record.state for record in registry.plugins()] == [PluginState.ENABLED, PluginState.FAILED]
    assert "registered already by" in registry.plugins()[1].reason


def test_a_hook_that_does_not_exist_fails_visibly(monkeypatch):
    """A misspelt hook is told of when the plugin is loaded, not never."""
    registry = Registry([entry_point("typo", plugin_with(run_fnished=lambda self, run: None), monkeypatch)])

    assert "run_fnished" in registry.plugins()[0].reason


def test_a_disabled_plugin_is_not_even_imported(monkeypatch):
    """The settings can leave a plugin out; its record says so."""
    broken = importlib.metadata.EntryPoint(name="unwanted", value="no_such_module_here", group="coursekeep")

    registry = Registry([broken], disabled=["unwanted"])

    assert registry.plugins()[0].state is PluginState.DISABLED


def test_a_plugin_that_raises_in_a_hook_keeps_no_other_from_being_called(monkeypatch):
    """Every plugin is told, whatever the others do; the fault is recorded with its traceback."""
    told = []

    def raising(self: object, run: Any) -> None:
        raise RuntimeError("oops")

    registry = Registry(
        [
            entry_point("a", plugin_with(run_finished=raising), monkeypatch),
            entry_point("b", plugin_with(run_finished=lambda self, run: told.append(run["id"])), monkeypatch),
        ]
    )

    registry.call("run_finished", run={"id": 7})

    assert told == [7]
    assert registry.plugins()[0].reason == "hook run_finished: RuntimeError: oops"
    assert "Traceback" in registry.plugins()[0].traceback
    assert registry.plugins()[0].state is PluginState.ENABLED


def test_an_unknown_connector_names_the_known_ones(monkeypatch):
    """The error for a misspelt connector says what there is."""
    registry = Registry([entry_point("mine", plugin_with([connector_named("moodle")]), monkeypatch)])

    with pytest.raises(Unknown, match=r"did you mean moodle\? allowed: moodle"):
        registry.connector("moodel")


def test_a_course_source_is_made_anew_each_time(monkeypatch):
    """Sources hold nothing between requests."""

    class Mine(CourseSource[SourceParams]):
        name = "mine"
        title = "Mine"
        Params = SourceParams

        async def select(self, connector: Any, params: Any, context: Any) -> Any:
            yield

    class Plugin:
        @hookimpl
        def register_course_sources(self) -> list[Any]:
            return [Mine]

    registry = Registry([entry_point("mine", Plugin(), monkeypatch)])

    assert isinstance(registry.source("mine"), Mine)
    assert registry.source("mine") is not registry.source("mine")
    assert registry.plugins()[0].sources == ("mine",)
