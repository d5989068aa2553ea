"""What load balancers and monitors ask: health, readiness, metrics."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from limner.accounts import Accounts, Scope
from tests.support.in_process import Serving, serving


async def test_it_is_not_ready_while_nodes_load_and_says_so(served: Serving) -> None:
    assert await (await served.client.get("/readyz")).json() == {"status": "ready", "problems": []}
    served.machine.ready = False
    answer = await served.client.get("/readyz")
    assert answer.status == 503
    assert await answer.json() == {"status": "loading", "problems": ["The nodes are still loading"]}
    assert (await served.client.get("/healthz")).status == 200


async def test_what_speaks_against_it_is_told(tmp_path: Path) -> None:
    async def full() -> list[str]:
        return ["The disk of the output folder is full (3 MB left)"]

    async with serving(tmp_path, complaints=full) as served:
        answer = await served.client.get("/readyz")
        assert answer.status == 503
        assert await answer.json() == {"status": "failing", "problems": await full()}
        assert (await served.client.get("/healthz")).status == 200


async def test_metrics_come_in_the_format_that_is_asked_for(served: Serving) -> None:
    for path in ("/metrics", "/api/metrics"):
        answer = await served.client.get(path)
        assert answer.content_type == "text/plain" and answer.headers["Cache-Control"] == "no-store"
        assert "process_cpu_seconds" in {found.name for found in text_string_to_metric_families(await answer.text())}
    answer = await served.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.content_type == "application/openmetrics-text"
    assert "process_cpu_seconds" in {found.name for found in open_metrics(await answer.text())}


async def test_a_server_with_a_login_tells_metrics_to_any_user_and_its_health_to_anybody(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    try:
        accounts.add("ann", None)
        token = {"Authorization": f"Bearer {accounts.new_token('ann', Scope.READ)[1]}"}
        async with serving(tmp_path, accounts) as served:
            assert (await served.client.get("/metrics")).status == 401
            assert (await served.client.get("/metrics", headers=token)).status == 200
            assert (await served.client.get("/healthz")).status == (await served.client.get("/readyz")).status == 200
    finally:
        accounts.close()


async def test_openapi_has_them(served: Serving) -> None:
    paths = (await (await served.client.get("/openapi.json")).json())["paths"]
    assert "text/plain" in paths["/metrics"]["get"]["responses"]["200"]["content"]
    assert "503" in paths["/readyz"]["get"]["responses"] and "/healthz" in paths
