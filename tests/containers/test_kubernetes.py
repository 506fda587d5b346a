"""The Kubernetes manifests are valid by the public schemas, have no loose ends, and fit the services."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from eng5_runner.stack.llm.service import PATH
from tests.support.compose import ROOT, ours
from tests.support.stack.llm import provider

FOLDER = ROOT / "deploy" / "kubernetes"
OLDEST, NEWEST = "1.27", "1.34"
Manifest = dict[str, Any]
ALL: list[Manifest] = [
    document
    for path in sorted(FOLDER.glob("*.yaml"))
    for document in YAML(typ="safe", pure=True).load_all(path)
    if document
]


def named(kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in ALL if one["kind"] == kind}


DEPLOYMENTS, SERVICES = named("Deployment"), named("Service")
SETTINGS = named("ConfigMap")["eng5-settings"]["data"]


def pod(name: str) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> Mapping[str, Any]:
    (only,) = pod(name)["containers"]
    found: Mapping[str, Any] = only
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_valid_and_has_no_field_that_kubernetes_does_not_know(version: str) -> None:
    for one in ALL:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_do_refuse() -> None:
    """Or the test above would prove nothing."""
    wrong = deepcopy(DEPLOYMENTS["cj"])
    probe = wrong["spec"]["template"]["spec"]["containers"][0].pop("readinessProbe")
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = probe
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_each_service_of_the_compose_file_is_there_with_its_command_and_its_port() -> None:
    compose = [one for one in ours().values() if "PORT" in one["environment"]]
    serving = {tuple(one["command"]): one["environment"]["PORT"] for one in compose}
    assert {tuple(container(name)["args"]): container(name)["env"][0]["value"] for name in DEPLOYMENTS} == serving


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_service_finds_its_pods_and_their_port(name: str) -> None:
    labels = DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"]
    (port,) = container(name)["ports"]
    (offered,) = SERVICES[name]["spec"]["ports"]
    assert SERVICES[name]["spec"]["selector"].items() <= labels.items()
    assert DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert {"name": "PORT", "value": str(port["containerPort"])} in container(name)["env"]
    assert (offered["targetPort"], offered["port"]) == (port["name"], port["containerPort"])
    about = DEPLOYMENTS[name]["spec"]["template"]["metadata"]["annotations"]
    assert about["prometheus.io/port"] == str(port["containerPort"])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_ready_is_who_reaches_database_and_broker_and_alive_is_who_answers(name: str) -> None:
    """A restart because the database is away would only add to its load when it is back."""
    one = container(name)
    assert one["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert one["livenessProbe"]["httpGet"] == one["startupProbe"]["httpGet"] == {"path": "/metrics", "port": "http"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    rights, one = pod(name)["securityContext"], container(name)
    assert rights["runAsNonRoot"] is True
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(name)["automountServiceAccountToken"] is False
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in one["volumeMounts"]] == ["/tmp"]
    assert set(one["resources"]["requests"]) == {"cpu", "memory"}, "else the autoscaler knows no share of it"


def test_the_judges_keys_go_to_the_llm_workers_alone_and_no_secret_is_written_here() -> None:
    reads = {
        name: [source["secretRef"]["name"] for source in container(name)["envFrom"] if "secretRef" in source]
        for name in DEPLOYMENTS
    }
    assert [name for name, secrets in reads.items() if "eng5-judges" in secrets] == ["llm-provider"]
    assert all("eng5-secrets" in secrets for secrets in reads.values())
    assert named("Secret") == {}
    made = (FOLDER / "README.md").read_text()
    assert all(f"create secret generic {secret} " in made for secrets in reads.values() for secret in secrets)


def test_addresses_name_a_service_and_its_port() -> None:
    addresses = {"CONTENT_SERVICE_URL": ("content", "/v1/content"), "LLM_PROVIDER_SERVICE_URL": ("llm-provider", PATH)}
    for variable, (name, path) in addresses.items():
        port = SERVICES[name]["spec"]["ports"][0]["port"]
        assert SETTINGS[variable] == f"http://{name}:{port}{path}"


async def test_the_autoscaler_scales_what_is_there_by_what_it_measures(tmp_path: Path) -> None:
    (scaler,) = named("HorizontalPodAutoscaler").values()
    target = scaler["spec"]["scaleTargetRef"]
    assert target["name"] in DEPLOYMENTS
    assert "replicas" not in DEPLOYMENTS[target["name"]]["spec"], "else each apply would undo what the autoscaler did"
    (metric,) = [one["external"]["metric"]["name"] for one in scaler["spec"]["metrics"] if one["type"] == "External"]
    assert f"seriesQuery: '{metric}{{" in (FOLDER / "README.md").read_text()
    async with provider(tmp_path) as site, site.http.get(f"{site.url}/metrics") as response:
        assert f"# TYPE {metric} gauge" in (await response.text()).splitlines()


@pytest.mark.parametrize("budget", named("PodDisruptionBudget").values(), ids=lambda one: one["metadata"]["name"])
def test_a_disruption_budget_is_of_pods_that_are_there(budget: Manifest) -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in DEPLOYMENTS.values()]
    assert any(budget["spec"]["selector"]["matchLabels"].items() <= each.items() for each in labels)
