"""`/openapi.json`: every route is described, by the types of the code, and nothing else is."""

from __future__ import annotations

import json
import re
from typing import Any

from limner.server.describe import description
from limner.server.openapi import document, plain_path
from limner.server.routes import all_routes
from tests.support.in_process import Serving

TOLD = document(all_routes(), "1")


def test_every_route_is_described_and_every_description_is_a_route() -> None:
    routes = {(route.method, plain_path(route.path)) for route in all_routes()}
    told = {(method.upper(), path) for path, methods in TOLD["paths"].items() for method in methods}
    assert told == routes
    assert [route.path for route in all_routes() if description(route.handler) is None] == []


async def test_the_application_serves_what_is_described_and_nothing_else(served: Serving) -> None:
    app = served.client.server.app  # type: ignore[attr-defined]
    registered = {
        (route.method, re.sub(r"^/api(?=/)", "", route.resource.canonical))
        for route in app.router.routes()
        if route.method != "HEAD"
    }
    told = {(method.upper(), path) for path, methods in TOLD["paths"].items() for method in methods}
    assert registered == told


def test_each_operation_says_what_it_does_takes_and_answers() -> None:
    for path, methods in TOLD["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert "default" in operation["responses"], where
            named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), where
            success = operation["responses"][min(operation["responses"])]
            assert success.get("content") or min(operation["responses"]) in ("101", "204", "303"), where


def test_the_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for methods in TOLD["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(TOLD)
    for name in set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text)):
        assert name in TOLD["components"]["schemas"]


async def test_the_document_is_served_under_both_roots_with_its_version(served: Serving) -> None:
    for path in ("/openapi.json", "/api/openapi.json"):
        told: dict[str, Any] = await (await served.client.get(path)).json()
        assert told["openapi"] == "3.1.0" and told["info"]["title"] == "Limner"
        assert told["paths"] == json.loads(json.dumps(TOLD["paths"]))


async def test_the_page_asks_no_other_host(served: Serving) -> None:
    answer = await served.client.get("/reference")
    page = await answer.text()
    assert answer.content_type == "text/html"
    for source in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert source.startswith(("reference/", "data:")), source
        if source.startswith("reference/"):
            assert (await served.client.get(f"/{source}")).status == 200
    assert (await served.client.get("/reference/..%2fapp.py")).status == 404
    assert (await served.client.get("/reference/none.js")).status == 404
