"""deploy/compose.yml: what it promises of every service, and that its parts fit together."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import typer.main
from fakes.compose_file import COMPOSE, ComposeService, read_compose, services_in_order

from coursekeep_daemon.cli.app import make_app

CONTENT = read_compose()
SERVICES = services_in_order(CONTENT)
EVERY = pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
OURS = [one for one in SERVICES if one.image.startswith("coursekeep:")]


@EVERY
def test_every_service_has_no_more_than_it_needs(service: ComposeService) -> None:
    """Read-only root, no capabilities, no new privileges, limits on memory and processors, a bounded farewell."""
    raw = service.raw
    limits = raw["deploy"]["resources"]["limits"]

    assert raw["read_only"] is True
    assert raw["cap_drop"] == ["ALL"]
    assert raw.get("cap_add", []) == (["DAC_OVERRIDE"] if service.name == "objects" else [])
    assert raw["security_opt"] == ["no-new-privileges:true"]
    assert set(limits) == {"cpus", "memory"}
    assert int(raw["stop_grace_period"].removesuffix("s")) > 30
    assert "privileged" not in raw
    assert "/tmp" in service.tmpfs


@EVERY
def test_what_a_service_names_is_there(service: ComposeService) -> None:
    """Secrets, configurations, volumes and services that one names are declared; health is what others wait for."""
    assert set(service.secrets) <= set(CONTENT["secrets"])
    assert set(service.configs.values()) <= set(CONTENT["configs"])
    assert {name for name in service.volumes.values() if name} <= set(CONTENT["volumes"])
    for other, condition in service.needs.items():
        needed = next(one for one in SERVICES if one.name == other)
        wanted = "service_healthy" if needed.healthcheck else "service_completed_successfully"
        assert condition == wanted, f"{service.name} waits for {other}"


def test_no_secret_stands_in_the_file() -> None:
    """Secrets are files beside it, which version control leaves out, and no variable holds one."""
    ignored = (COMPOSE.parents[1] / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert "/deploy/secrets/" in ignored
    assert all(one["file"].startswith("./secrets/") for one in CONTENT["secrets"].values())
    for service in SERVICES:
        for name, value in service.environment.items():
            assert "PASSWORD" not in name or name.endswith("_FILE"), f"{service.name}: {name}={value}"


def test_there_are_a_daemon_three_workers_a_database_and_an_object_store() -> None:
    """The services are those of the guide, and those of Coursekeep run commands that it has."""
    assert {one.name: one.replicas for one in SERVICES} == {
        "database": 1, "objects": 1, "bucket": 1, "upgrade": 1, "daemon": 1, "worker": 3,
    }  # fmt: skip
    for service in OURS:
        command = typer.main.get_command(make_app())
        words = list(service.words)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(service.name, words)


def test_the_settings_read_the_secrets_that_the_services_get() -> None:
    """Every secret of the settings is given to every service of Coursekeep, under the name that the settings have."""
    text = (COMPOSE.parent / "settings.toml").read_text(encoding="utf-8")
    named = {word for word in CONTENT["secrets"] if f'${{CREDENTIALS_DIRECTORY}}/{word}"' in text}
    content = tomllib.loads(text)

    for service in OURS:
        assert set(service.secrets) == named
        assert service.environment["CREDENTIALS_DIRECTORY"] == "/run/secrets"
        assert service.configs == {"/etc/coursekeep/settings.toml": "settings"}
        assert content["daemon"]["data_dir"] in service.volumes
    assert Path(CONTENT["configs"]["settings"]["file"]) == Path("settings.toml")
