"""deploy/kubernetes, deploy/helm and deploy/ray: against Kubernetes' own schemas, Helm's linter, and Ray's schema."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from limner import __version__
from limner.accounts import Accounts
from limner.settings import declarations, flag, variable

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "limner"
VERSION = "1.33"
"""Of Kubernetes."""
FULL = {
    "workers": {"replicas": 3},
    "ingress": {"enabled": True},
    "models": {"existingClaim": "models"},
    "image": {"pullSecrets": [{"name": "registry"}]},
    "env": [{"name": "OTEL_SERVICE_NAME", "value": "limner"}],
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
}
HELM = """
import json, sys
from helm_python import chart
path, values = sys.argv[1], json.loads(sys.argv[2])
found = chart.lint(path, values, strict=True)
with chart.Chart.load(path) as loaded:
    print(json.dumps([found, loaded.render(values, name="limner", namespace="default")]))
"""
"""In a process of its own: Helm is a library of another language's runtime."""


def documents(text: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(text) if each]


def ray_cluster() -> dict[str, Any]:
    found = documents((DEPLOY / "ray" / "kuberay.yaml").read_text("utf-8"))
    return next(each for each in found if each["kind"] == "RayCluster")


def ray_pods() -> dict[str, dict[str, Any]]:
    spec = ray_cluster()["spec"]
    groups = [("head", spec["headGroupSpec"]), *((group["groupName"], group) for group in spec["workerGroupSpecs"])]
    return {name: group["template"]["spec"] for name, group in groups}


def plain() -> list[dict[str, Any]]:
    return documents((DEPLOY / "kubernetes" / "limner.yaml").read_text("utf-8"))


def check(resource: Mapping[str, Any]) -> None:
    """Raises where Kubernetes' schema does not know it so."""
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    validate.validate(resource, VERSION, strict=True)


def helm(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What Helm's linter says, and the resources that the chart makes."""
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("Helm is not there as a library (pip install helm-python-sdk)")
    command = [sys.executable, "-c", HELM, str(CHART), json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report, rendered = json.loads(done.stdout)
    texts = [text for name, text in sorted(rendered.items()) if name.endswith(".yaml")]
    return report, [each for text in texts for each in documents(text)]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for each in plain():
        if each["kind"] == "Deployment":
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
    yield from ray_pods().items()


@pytest.mark.parametrize("resource", plain(), ids=lambda each: each["kind"])
def test_manifests(resource: dict[str, Any]) -> None:
    check(resource)


def test_the_schema_knows_what_is_wrong() -> None:
    deployment = next(each for each in plain() if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagee"] = "limner"
    with pytest.raises(Exception, match="imagee"):
        check(deployment)


@pytest.mark.parametrize("values", [{}, FULL], ids=["plain", "all of it"])
def test_helm_finds_nothing_and_makes_what_kubernetes_knows(values: dict[str, Any]) -> None:
    report, resources = helm(values)
    assert report["errors"] == [] and [each for each in report["messages"] if each["severity"] > 1] == []
    kinds = [each["kind"] for each in resources]
    assert ("Ingress" in kinds, kinds.count("Deployment")) == ((True, 2) if values else (False, 1))
    for resource in resources:
        check(resource)


def test_the_manifests_are_what_helm_makes() -> None:
    def key(each: dict[str, Any]) -> tuple[str, str]:
        return each["kind"], each["metadata"]["name"]

    assert sorted(plain(), key=key) == sorted(helm({})[1], key=key)


def test_the_charts_version_is_limners() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == __version__
    images = {container["image"] for _, pod in pods() for container in pod["containers"]}
    assert images == {f"limner:{__version__}"}


@pytest.mark.parametrize("name", ray_pods())
def test_pods_of_the_ray_cluster(name: str) -> None:
    check({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": ray_pods()[name]})


@pytest.mark.parametrize("name", [name for name, _ in pods()])
def test_no_pod_runs_as_root(name: str) -> None:
    pod = dict(pods())[name]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] >= 1000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_ray_cluster_is_of_the_ray_that_is_pinned() -> None:
    pins = (DEPLOY.parent / "constraints.txt").read_text("utf-8")
    assert f"ray=={ray_cluster()['spec']['rayVersion']}\n" in pins


def test_flags_and_variables_are_settings() -> None:
    """Of the servers and workers in all of these files."""
    files = [*DEPLOY.glob("ray/*.yaml"), *DEPLOY.glob("kubernetes/*.yaml"), *CHART.rglob("*.yaml")]
    text = "\n".join(file.read_text("utf-8") for file in files)
    known = {variable(name) for name, _, _ in declarations()}
    assert set(re.findall(r"LIMNER_[A-Z_]+", text)) <= known
    flags = {flag(name) for name, _, _ in declarations()} | {"--address"}
    said = " ".join(re.findall(r"limner (?:serve|worker) [^>&\n]*", text))
    arguments = [argument for _, pod in pods() for each in pod["containers"] for argument in each.get("args", ())]
    listed = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    assert {*re.findall(r"--[a-z-]+", said), *listed} <= flags


def test_the_first_user_is_made_once(tmp_path: Path) -> None:
    """The command that runs before the server, as its container runs it."""
    first = ray_pods()["head"]["initContainers"][0]
    server = next(pod for name, pod in pods() if name == "limner")
    assert first["args"] == server["initContainers"][0]["args"], "the same everywhere"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LIMNER_BASE_DIRECTORY": str(tmp_path),
        "NAME": "ann",
        "PASSWORD": "correct horse",
    }
    for _ in range(2):
        subprocess.run(["sh", "-c", *first["args"]], check=True, env=environment, capture_output=True)
    accounts = Accounts(tmp_path / "user" / "limner" / "accounts.sqlite")
    try:
        assert [user.name for user in accounts.users()] == ["ann"] and accounts.check("ann", "correct horse")
    finally:
        accounts.close()


def test_ray_knows_the_cluster_that_it_launches() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = importlib.util.find_spec("ray")
    if found is None or not found.submodule_search_locations:
        pytest.skip("Ray is not installed (pip install 'limner[cluster]')")
    schema = json.loads((Path(found.submodule_search_locations[0]) / "autoscaler" / "ray-schema.json").read_text())
    cluster = yaml.safe_load((DEPLOY / "ray" / "cluster.yaml").read_text("utf-8"))
    jsonschema.validate(cluster, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cluster, "worker_start_commands": []}, schema)
    assert metadata.version("ray")
