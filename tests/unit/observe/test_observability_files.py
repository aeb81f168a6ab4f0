"""Dashboard and alerts speak of metrics that are there, with labels they have; and every alert says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.promql import read_query

from coursekeep_daemon.metrics_catalogue import CATALOGUE, MetricKind, exposed

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "observability"
#: labels that Prometheus adds to everything
SCRAPED = {"job", "instance"}


def rules() -> list[dict[str, Any]]:
    """Return the alerts."""
    content = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard."""
    found: list[dict[str, Any]] = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))["panels"]
    return found


def queries() -> Iterator[Any]:
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in panels():
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


@pytest.mark.parametrize("expression", list(queries()))
def test_queries_name_metrics_that_are_there(expression: str) -> None:
    """A query is sound, its metrics exist, its labels are theirs, and only counters are rated."""
    specs = {name: spec for spec in CATALOGUE for name in exposed(spec)}
    query = read_query(expression)

    assert query.metrics or "time()" in expression
    for name, labels in query.metrics.items():
        assert name in specs, name
        own = {*specs[name].labels, *SCRAPED, *(("le",) if name.endswith("_bucket") else ())}
        assert labels <= own, name
        assert query.grouped <= own | {"le"}, name
    assert {name for name in query.counted if specs[name].kind is MetricKind.GAUGE} == set()


def test_every_alert_has_a_runbook() -> None:
    """An alert has a severity, a summary, and a heading in the guide that its annotation leads to."""
    page = (ROOT / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (Coursekeep\w+)$", page, re.MULTILINE)

    assert sorted(rule["alert"] for rule in rules()) == sorted(headings)
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["runbook"] == f"docs/how-to/monitor.md#{rule['alert'].lower()}"
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in SCRAPED or label in rule["expr"], rule["alert"]


def test_every_panel_can_be_drawn() -> None:
    """Panels have a title of their own, a place that no other takes, a unit and a legend."""
    found = panels()

    assert len({panel["title"] for panel in found}) == len({panel["id"] for panel in found}) == len(found)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found}) == len(found)
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in found)
    assert all(target["legendFormat"] for panel in found for target in panel["targets"])


@pytest.mark.parametrize(
    "wrong", ["sum(rate(x_total[5m])", "rate(x_total)", "sum(x[5m])", "quantile_of(x)", "x{a=b}", "x) + (y", "[5m]"]
)
def test_the_reader_of_queries_refuses_what_is_none(wrong: str) -> None:
    """What Prometheus would refuse is refused here too."""
    with pytest.raises(ValueError, match="in "):
        read_query(wrong)
