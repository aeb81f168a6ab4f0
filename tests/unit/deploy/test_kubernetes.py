"""The manifests of deploy/kubernetes: accepted by the API, hardened, and fitting together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml

from coursekeep_daemon.cli.app import make_app
from coursekeep_daemon.settings import load_settings

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes"
DOCUMENTS: list[dict[str, Any]] = [
    document for path in sorted(FOLDER.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text("utf-8"))
]
#: the oldest release of Kubernetes that is promised, and the newest whose schemas are at hand
RELEASES = ("1.27", "1.37")


def name(document: dict[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def of(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in DOCUMENTS if one["kind"] in kinds]


WITH_PODS = of("Deployment", "Job")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_the_api_takes_every_manifest(document: dict[str, Any], release: str) -> None:
    """Every manifest is valid by the schemas of the API, with no field that it does not know."""
    kubernetes_validate.validate(document, release, strict=True)
    assert document["metadata"].get("namespace", "coursekeep") == "coursekeep"


@pytest.mark.parametrize("document", WITH_PODS, ids=name)
def test_every_pod_is_held_to_the_restricted_standard(document: dict[str, Any]) -> None:
    """No root, no capabilities, no escalation, no writing to the root file system, no account of the cluster."""
    pod = document["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert pod["terminationGracePeriodSeconds"] > 30
    assert of("Namespace")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("document", WITH_PODS, ids=name)
def test_every_pod_runs_a_command_that_there_is_with_what_it_needs(document: dict[str, Any]) -> None:
    """Arguments are those of the program; settings, secrets and folders are mounted, and nothing else is."""
    pod = document["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    command = typer.main.get_command(make_app())
    words = list(container["args"])
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    command.make_context("x", words)
    assert mounts == {
        "settings": "/etc/coursekeep", "secrets": "/run/secrets/coursekeep", "data": "/data", "tmp": "/tmp",
    }  # fmt: skip
    assert container["env"] == [{"name": "CREDENTIALS_DIRECTORY", "value": mounts["secrets"]}]
    assert volumes["settings"]["configMap"]["name"] == of("ConfigMap")[0]["metadata"]["name"]
    assert volumes["secrets"]["secret"]["secretName"] == of("Secret")[0]["metadata"]["name"]
    assert set(volumes) == set(mounts)


def test_what_selects_pods_selects_those_there_are() -> None:
    """Services, budgets, policies and the autoscaler name labels, ports and deployments that are in the manifests."""
    labels = {name(one): one["spec"]["template"]["metadata"]["labels"] for one in WITH_PODS}
    daemon = labels["Deployment/coursekeep-daemon"]

    for deployment in of("Deployment"):
        assert deployment["spec"]["selector"]["matchLabels"] == labels[name(deployment)]
    for budget in of("PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"] == labels[f"Deployment/{budget['metadata']['name']}"]
    assert of("Service")[0]["spec"]["selector"] == daemon
    (scaler,) = of("HorizontalPodAutoscaler")
    assert f"{scaler['spec']['scaleTargetRef']['kind']}/{scaler['spec']['scaleTargetRef']['name']}" in labels
    assert "replicas" not in next(one for one in of("Deployment") if "worker" in name(one))["spec"]
    everyone, inwards = of("NetworkPolicy")
    assert (everyone["spec"]["podSelector"], everyone["spec"].get("ingress")) == ({}, None)
    assert inwards["spec"]["podSelector"]["matchLabels"] == daemon


def test_the_autoscaler_asks_for_a_metric_that_there_is() -> None:
    """What workers are scaled by stands in the reference of metrics, with the label that is asked for."""
    (scaler,) = of("HorizontalPodAutoscaler")
    asked = scaler["spec"]["metrics"][0]["external"]["metric"]
    told = (FOLDER.parents[1] / "docs/reference/metrics.md").read_text(encoding="utf-8")
    (row,) = (line for line in told.splitlines() if line.startswith(f"| `{asked['name']}` |"))

    for label, value in asked["selector"]["matchLabels"].items():
        assert f"`{label}`" in row
        assert f"`{value}`" in row


def test_the_daemon_is_asked_where_it_answers() -> None:
    """Probes ask the routes for health and readiness at the port that the settings leave as it is."""
    (daemon,) = (one for one in of("Deployment") if one["metadata"]["name"] == "coursekeep-daemon")
    (container,) = daemon["spec"]["template"]["spec"]["containers"]

    assert container["livenessProbe"]["httpGet"] == {"path": "/api/v1/health", "port": "http"}
    assert container["startupProbe"]["httpGet"] == {"path": "/api/v1/health", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/api/v1/ready", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": 8350}]


def test_the_settings_are_settings_and_read_the_secrets(tmp_path: Path) -> None:
    """settings.toml of the ConfigMap is accepted, and the files that it reads are the keys of the secret."""
    text = of("ConfigMap")[0]["data"]["settings.toml"]
    (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
    (secret,) = of("Secret")
    settings = load_settings(tmp_path / "settings.toml")

    assert settings.daemon.port == 8350
    assert str(settings.daemon.data_dir) == "/data"
    assert {key for key in secret["stringData"] if f'/{key}"' in text} == set(secret["stringData"])
    assert text.count("CREDENTIALS_DIRECTORY") == len(secret["stringData"])
    assert not any(secret["stringData"].values())
