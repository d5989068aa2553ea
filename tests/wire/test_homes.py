"""Each user has own input, output and temporary files: no route and no node sees another's."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from PIL import Image

from limner.accounts import Accounts, Scope
from tests.support.in_process import Serving, serving


class Shared:
    """A server with an admin, ann, and two users, bob and carl."""

    def __init__(self, served: Serving, tokens: dict[str, dict[str, str]]) -> None:
        self.served, self.tokens = served, tokens

    async def ask(self, user: str, method: str, path: str, **more: Any) -> tuple[int, Any]:
        answer = await self.served.client.request(method, path, headers=self.tokens[user], **more)
        return answer.status, await answer.json() if answer.content_type == "application/json" else await answer.read()

    async def run(self, user: str, prompt: dict[str, Any]) -> dict[str, Any]:
        status, told = await self.ask(user, "POST", "/prompt", json={"prompt": prompt})
        assert status == 200, told
        await self.served.ended(told["prompt_id"])
        _, history = await self.ask(user, "GET", f"/history/{told['prompt_id']}")
        return dict(history[told["prompt_id"]])

    async def upload(self, user: str, name: str, width: int, **fields: str) -> tuple[int, Any]:
        form = FormData()
        form.add_field("image", picture(width), filename=name)
        for key, value in fields.items():
            form.add_field(key, value)
        return await self.ask(user, "POST", "/upload/image", data=form)


def picture(width: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 2)).save(buffer, "PNG")
    return buffer.getvalue()


def kept(value: int) -> dict[str, Any]:
    return {"1": {"class_type": "Keep", "inputs": {"value": value, "name": "k"}}}


def measured(name: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "Size", "inputs": {"image": name}},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 0], "name": "w"}},
    }


def shown(entry: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["filename"], item["subfolder"]) for node in entry["outputs"].values() for item in node["images"]]


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Shared]:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    tokens = {}
    for name, scope in (("ann", Scope.ADMIN), ("bob", Scope.RUN), ("carl", Scope.RUN)):
        accounts.add(name, None, admin=scope is Scope.ADMIN)
        tokens[name] = {"Authorization": f"Bearer {accounts.new_token(name, scope)[1]}"}
    async with serving(tmp_path, accounts) as served:
        yield Shared(served, tokens)
    accounts.close()


async def test_outputs_are_each_ones_own(shared: Shared) -> None:
    bobs = await shared.run("bob", kept(7))
    assert shown(bobs) == [("k7.png", "")]
    assert (shared.served.folders.output / "users" / "bob" / "k7.png").is_file()
    asked = "/view?filename=k7.png&type=output"
    assert (await shared.ask("bob", "GET", asked))[0] == 200
    assert (await shared.ask("bob", "GET", "/internal/files/output"))[1] == ["k7.png"]
    for path in (
        asked,
        "/view/k7.png",
        "/view/users/bob/k7.png",
        "/view?filename=users/bob/k7.png",
        "/view?filename=k7.png&subfolder=users/bob",
        "/view?filename=k7.png&subfolder=../bob",
        "/view?filename=../bob/k7.png",
        "/view?filename=k7.png%20[output]&subfolder=users/bob&type=input",
    ):
        assert (await shared.ask("carl", "GET", path))[0] in (400, 404), path
    assert (await shared.ask("carl", "GET", "/internal/files/output"))[1] == []
    assert not any("k7" in asset["name"] for asset in (await shared.ask("carl", "GET", "/assets"))[1]["assets"])
    reference = json.dumps({"filename": "k7.png", "subfolder": "users/bob", "type": "output"})
    form = FormData()
    form.add_field("image", picture(7), filename="m.png")
    form.add_field("original_ref", reference)
    assert (await shared.ask("carl", "POST", "/upload/mask", data=form))[0] in (400, 404)


async def test_an_equal_workflow_of_another_user_makes_files_of_its_own(shared: Shared) -> None:
    """What is remembered of one user's run is not given to another."""
    for user in ("bob", "carl", "ann"):
        entry = await shared.run(user, kept(5))
        assert shown(entry) == [("k5.png", "")]
        assert (await shared.ask(user, "GET", "/view?filename=k5.png"))[0] == 200
    folder = shared.served.folders.output
    assert all((folder / where / "k5.png").is_file() for where in ("", "users/bob", "users/carl"))


async def test_inputs_are_each_ones_own(shared: Shared) -> None:
    assert (await shared.upload("bob", "mine.png", 11))[1]["name"] == "mine.png"
    assert (await shared.upload("carl", "mine.png", 22))[1]["name"] == "mine.png"
    assert shown(await shared.run("bob", measured("mine.png"))) == [("w11.png", "")]
    assert shown(await shared.run("carl", measured("mine.png"))) == [("w22.png", "")]
    assert (await shared.upload("bob", "only.png", 33))[0] == 200
    for name in ("only.png", "users/bob/only.png", "../bob/only.png", "only.png [input]"):
        status, told = await shared.ask("carl", "POST", "/prompt", json={"prompt": measured(name)})
        assert status == 400, name
        assert "only.png" not in json.dumps(told.get("error", {}).get("extra_info", ""))
    for user, sees in (("bob", True), ("carl", False)):
        info = (await shared.ask(user, "GET", "/object_info/Size"))[1]
        assert ("only.png" in info["Size"]["input"]["required"]["image"][0]) is sees
        whole = (await shared.ask(user, "GET", "/object_info"))[1]
        assert ("only.png" in whole["Size"]["input"]["required"]["image"][0]) is sees
        assert "example.png" in info["Size"]["input"]["required"]["image"][0]


async def test_another_users_files_are_read_by_no_annotation(shared: Shared) -> None:
    await shared.run("bob", kept(9))
    for name in ("k9.png [output]", "users/bob/k9.png [output]", "../../output/users/bob/k9.png", "k9.png [temp]"):
        status, _ = await shared.ask("carl", "POST", "/prompt", json={"prompt": measured(name)})
        assert status == 400, name
    assert shown(await shared.run("bob", measured("k9.png [output]"))) == [("w9.png", "")]


async def test_an_upload_replaces_no_file_of_another(shared: Shared) -> None:
    await shared.run("bob", kept(4))
    before = (shared.served.folders.output / "users" / "bob" / "k4.png").read_bytes()
    assert (await shared.upload("carl", "k4.png", 1, type="output", overwrite="true"))[0] == 200
    for subfolder in ("users/bob", "../bob", "..", "/"):
        await shared.upload("carl", "k4.png", 1, type="output", overwrite="true", subfolder=subfolder)
    assert (shared.served.folders.output / "users" / "bob" / "k4.png").read_bytes() == before


async def test_an_admin_sees_the_files_of_all_where_they_lie(shared: Shared) -> None:
    await shared.run("bob", kept(6))
    _, history = await shared.ask("ann", "GET", "/history")
    ((name, subfolder),) = [found for entry in history.values() for found in shown(entry)]
    assert (name, subfolder) == ("k6.png", "users/bob")
    asked = f"/view?filename={name}&subfolder={subfolder}&type=output"
    assert (await shared.ask("ann", "GET", asked))[0] == 200
    assert (await shared.ask("bob", "GET", "/view?filename=k6.png&type=output"))[0] == 200


async def test_an_admins_token_of_less_scope_has_files_like_anyone(shared: Shared) -> None:
    secret = shared.served.services.accounts.new_token("ann", Scope.RUN)[1]  # type: ignore[union-attr]
    shared.tokens["less"] = {"Authorization": f"Bearer {secret}"}
    await shared.run("bob", kept(3))
    assert (await shared.ask("less", "GET", "/view?filename=k3.png&subfolder=users/bob"))[0] == 404
    assert shown(await shared.run("less", kept(3))) == [("k3.png", "")]
    assert (shared.served.folders.output / "users" / "ann" / "k3.png").is_file()


async def test_without_logins_everything_is_where_it_was(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.run(kept(2))
        assert (served.folders.output / "k2.png").is_file()
        assert not (served.folders.output / "users").exists()
