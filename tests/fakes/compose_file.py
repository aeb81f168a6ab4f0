"""What stands in deploy/compose.yml: services with their own commands, places and conditions."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

__all__ = ["COMPOSE", "ComposeService", "read_compose", "services_in_order"]

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose.yml"

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, kw_only=True)
class ComposeService:
    """One service as the file has it."""

    name: str
    image: str
    #: entry point and command together, without what the image itself puts before
    words: tuple[str, ...]
    environment: Mapping[str, str]
    #: path within the container -> name of the volume, or "" for one that each container has of its own
    volumes: Mapping[str, str]
    tmpfs: tuple[str, ...]
    secrets: tuple[str, ...]
    #: path within the container -> name of the configuration
    configs: Mapping[str, str]
    healthcheck: tuple[str, ...]
    #: service -> condition
    needs: Mapping[str, str]
    replicas: int
    #: as it stands in the file
    raw: Mapping[str, Any]


def read_compose(path: Path = COMPOSE) -> dict[str, Any]:
    """Return the whole file, with its variables filled in."""

    def filled(found: re.Match[str]) -> str:
        return os.environ.get(found[1]) or found[2] or ""

    content: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(filled, path.read_text(encoding="utf-8")))
    return content


def services_in_order(content: Mapping[str, Any]) -> list[ComposeService]:
    """Return the services, each behind all that it needs."""
    made = {name: _service(name, raw) for name, raw in content["services"].items()}
    order = TopologicalSorter({name: set(one.needs) for name, one in made.items()})
    return [made[name] for name in order.static_order()]


def _service(name: str, raw: Mapping[str, Any]) -> ComposeService:
    check = raw["healthcheck"].get("test", [])
    assert not check or check[0] == "CMD", f"{name}: a health check is a command without a shell"
    return ComposeService(
        name=name,
        image=raw["image"],
        words=(*raw.get("entrypoint", []), *raw["command"]),
        environment=raw.get("environment", {}),
        volumes=dict(_volume(one) for one in raw.get("volumes", [])),
        tmpfs=tuple(one.partition(":")[0] for one in raw.get("tmpfs", [])),
        secrets=tuple(raw.get("secrets", [])),
        configs={one["target"]: one["source"] for one in raw.get("configs", [])},
        healthcheck=tuple(check[1:]),
        needs={other: how["condition"] for other, how in raw.get("depends_on", {}).items()},
        replicas=raw.get("deploy", {}).get("replicas", 1),
        raw=raw,
    )


def _volume(one: str | Mapping[str, str]) -> tuple[str, str]:
    if isinstance(one, str):
        name, _, target = one.partition(":")
        return target, name
    return one["target"], one.get("source", "")
