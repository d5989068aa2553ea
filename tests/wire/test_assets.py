"""`/assets`: files by what they hold, with tags and what else users say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from limner.accounts import Accounts, Scope
from limner.files.assets import digest
from tests.support.in_process import Serving, serving


async def send(served: Serving, data: bytes = b"one", file: str = "a.txt", **fields: str) -> Any:
    form = FormData()
    form.add_field("file", data, filename=file)
    for key, value in fields.items():
        form.add_field(key, value)
    return await served.client.post("/assets", data=form)


async def listed(served: Serving, query: str = "") -> list[dict[str, Any]]:
    return (await (await served.client.get(f"/assets?{query}")).json())["assets"]


async def test_a_file_is_kept_and_found_by_its_content(served: Serving) -> None:
    answer = await send(served, tags='["input", "portrait"]', user_metadata='{"rating": 5}')
    told = await answer.json()
    assert answer.status == 201 and told["created_new"] is True
    assert (told["name"], told["size"], told["tags"]) == ("a.txt", 3, ["input", "portrait"])
    assert told["hash"] == digest(b"one")
    assert (served.folders.input / "a.txt").read_bytes() == b"one"
    for named in (told["id"], told["hash"]):
        assert (await (await served.client.get(f"/assets/{named}")).json())["id"] == told["id"]
        assert await (await served.client.get(f"/api/assets/{named}/content")).read() == b"one"
    assert (await served.client.head(f"/assets/hash/{digest(b'one')}")).status == 200
    assert (await served.client.head(f"/assets/hash/{digest(b'other')}")).status == 404
    assert [asset["id"] for asset in await listed(served, f"hash={digest(b'one')}")] == [told["id"]]
    again = await send(served)
    assert again.status == 200 and (await again.json())["created_new"] is False


async def test_what_a_file_holds_is_digested_anew_when_it_changes(served: Serving) -> None:
    path = served.folders.output / "x.png"
    path.write_bytes(b"first")
    assert (await listed(served, "include_tags=output"))[0]["hash"] == digest(b"first")
    path.write_bytes(b"second")
    assert (await listed(served, "include_tags=output"))[0]["hash"] == digest(b"second")
    assert (await served.client.get(f"/assets/{digest(b'first')}")).status == 404


async def test_files_in_subfolders_are_assets_with_a_view(served: Serving) -> None:
    (served.folders.output / "sub").mkdir()
    (served.folders.output / "sub" / "p q.png").write_bytes(b"x")
    (asset,) = await listed(served, "include_tags=output")
    assert (asset["name"], asset["display_name"], asset["file_path"]) == (
        "sub/p q.png",
        "p q.png",
        "output/sub/p q.png",
    )
    assert await (await served.client.get(asset["preview_url"])).read() == b"x"


async def test_a_list_is_filtered_sorted_and_paged_by_its_cursor(served: Serving) -> None:
    for index, name in enumerate(("c.txt", "a.txt", "b.txt")):
        await send(served, b"x" * (index + 1), name, user_metadata=json.dumps({"n": index}))
    names = [asset["name"] for asset in await listed(served, "include_tags=input&name_contains=.txt")]
    assert names == ["a.txt", "b.txt", "c.txt"]
    by_size = await listed(served, "include_tags=input&sort=size&order=desc&name_contains=.txt")
    assert [asset["name"] for asset in by_size] == ["b.txt", "a.txt", "c.txt"]
    assert [asset["name"] for asset in await listed(served, 'metadata_filter={"n":1}')] == ["a.txt"]
    query, seen = "include_tags=input&name_contains=.txt&limit=2", []
    page = await (await served.client.get(f"/assets?{query}")).json()
    seen += [asset["name"] for asset in page["assets"]]
    assert (page["total"], page["has_more"]) == (3, True)
    page = await (await served.client.get(f"/assets?{query}&after={page['next_cursor']}")).json()
    seen += [asset["name"] for asset in page["assets"]]
    assert seen == ["a.txt", "b.txt", "c.txt"] and not page["has_more"] and "next_cursor" not in page


async def test_tags_are_added_and_taken_off_but_for_those_of_the_place(served: Serving) -> None:
    identifier = (await (await send(served)).json())["id"]
    path = f"/assets/{identifier}/tags"
    told = await (await served.client.post(path, json={"tags": ["cat", "input", "cat"]})).json()
    assert told == {"added": ["cat"], "already_present": ["input"], "total_tags": ["input", "cat"]}
    assert [asset["id"] for asset in await listed(served, "include_tags=input,cat")] == [identifier]
    assert await listed(served, "include_tags=input&exclude_tags=cat&name_contains=a.txt") == []
    counts = await (await served.client.get("/tags?prefix=c")).json()
    assert {"name": "cat", "count": 1, "type": "user"} in counts["tags"]
    refined = await (await served.client.get("/assets/tags/refine?include_tags=cat")).json()
    assert refined == {"tag_counts": {"input": 1, "cat": 1}}
    told = await (await served.client.delete(path, json={"tags": ["cat", "input", "dog"]})).json()
    assert told == {"removed": ["cat"], "not_present": ["dog"], "protected": ["input"], "total_tags": ["input"]}
    assert (await served.client.post(path, json={"tags": []})).status == 400
    assert (await served.client.post(path, json={"tags": "cat"})).status == 400


async def test_an_asset_is_shown_under_another_name_and_stays_where_it_is(served: Serving) -> None:
    told = await (await send(served, user_metadata='{"a": 1}')).json()
    changes = {"name": "Better", "tags": ["input", "x"], "user_metadata": {"b": 2}}
    told = await (await served.client.put(f"/assets/{told['id']}", json=changes)).json()
    assert (told["name"], told["tags"]) == ("Better", ["input", "x"])
    assert told["user_metadata"] == {"filename": "a.txt", "b": 2}
    assert (served.folders.input / "a.txt").is_file()


async def test_content_that_is_here_is_kept_elsewhere_without_sending_it(served: Serving) -> None:
    await send(served)
    body = {"hash": digest(b"one"), "name": "copy.txt", "tags": ["output"]}
    answer = await served.client.post("/assets/from-hash", json=body)
    assert answer.status == 201 and (await answer.json())["tags"] == ["output"]
    assert (served.folders.output / "copy.txt").read_bytes() == b"one"
    missing = await served.client.post("/assets/from-hash", json=body | {"hash": digest(b"none")})
    assert missing.status == 404


async def test_a_deleted_asset_is_gone_with_its_notes(served: Serving) -> None:
    identifier = (await (await send(served, tags="input,cat")).json())["id"]
    assert (await served.client.delete(f"/assets/{identifier}")).status == 204
    assert not (served.folders.input / "a.txt").exists()
    assert (await served.client.get(f"/assets/{identifier}")).status == 404
    assert (await served.client.delete(f"/assets/{identifier}")).status == 404
    assert (await (await send(served)).json())["tags"] == ["input"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hash": digest(b"other")}, "does not hold"),
        ({"tags": "models,nowhere"}, "no kind of model"),
        ({"tags": "[1]"}, "tags"),
        ({"user_metadata": "[]"}, "JSON object"),
        ({"name": "../x"}, "leads out"),
        ({"name": "/etc/x"}, ""),
        ({"tags": "models,loras", "name": "x.txt"}, "kind loras"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_a_remedy(served: Serving, fields: dict[str, str], said: str) -> None:
    answer = await send(served, **fields)
    error = (await answer.json())["error"]
    assert answer.status == 400 and said in error["message"] and error["remedy"]


async def test_files_are_not_fetched_from_other_places(served: Serving) -> None:
    answer = await served.client.post("/assets", json={"url": "https://example.org/x", "name": "x", "tags": ["input"]})
    assert answer.status == 400


async def test_the_files_of_a_job_are_assets(served: Serving) -> None:
    prompt = {
        "1": {"class_type": "Number", "inputs": {"value": 4}},
        "9": {"class_type": "Keep", "inputs": {"value": ["1", 0], "name": "made"}},
    }
    run = await served.run(prompt)
    told = await (await served.client.get(f"/jobs/{run}/assets")).json()
    (asset,) = told["assets"]
    assert (asset["name"], asset["node_id"], asset["output_key"], asset["output_index"]) == (
        "made4.png",
        "9",
        "images",
        0,
    )
    assert told["pagination"] == {"offset": 0, "limit": 500, "total": 1, "has_more": False}
    assert (await served.client.get(f"/assets/{asset['id']}")).status == 200
    assert (await served.client.get("/jobs/none/assets")).status == 404


async def test_tags_are_each_users_own_and_models_an_admins(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    tokens = {}
    for name in ("ann", "bob"):
        accounts.add(name, None)
        tokens[name] = {"Authorization": f"Bearer {accounts.new_token(name, Scope.RUN)[1]}"}
    async with serving(tmp_path, accounts) as served:
        (served.folders.model_folder("loras").paths[0] / "l.safetensors").write_bytes(b"x")
        page = await (await served.client.get("/assets?include_tags=models,loras", headers=tokens["ann"])).json()
        (asset,) = page["assets"]
        path = f"/assets/{asset['id']}"
        assert (await served.client.post(f"{path}/tags", json={"tags": ["good"]}, headers=tokens["ann"])).status == 200
        assert "good" not in (await (await served.client.get(path, headers=tokens["bob"])).json())["tags"]
        assert (await served.client.delete(path, headers=tokens["ann"])).status == 403
    accounts.close()
