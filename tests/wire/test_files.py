"""`/view`, `/upload`, `/userdata`, `/assets`, `/models`: files, and names that must not lead anywhere else."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import struct
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import FormData
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limner.comfy.object_info import ObjectInfo
from tests.support.in_process import Serving

ESCAPES = [
    "../secret.txt",
    "..%2Fsecret.txt",
    "/etc/passwd",
    "a/../../secret.txt",
    "..\\secret.txt",
    "C:\\x.png",
    "a\x00b",
]


def png(size: tuple[int, int] = (4, 3), mode: str = "RGB", **texts: str) -> bytes:
    information = PngInfo()
    for key, text in texts.items():
        information.add_text(key, text)
    buffer = io.BytesIO()
    Image.new(mode, size, (255, 0, 0, 99)[: len(mode)]).save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def form(data: bytes, name: str = "a.png", **fields: str) -> FormData:
    made = FormData(quote_fields=False)
    made.add_field("image", data, filename=name, content_type="image/png")
    for key, value in fields.items():
        made.add_field(key, value)
    return made


@pytest.fixture
def picture(served: Serving) -> Path:
    path = served.folders.output / "sub" / "p.png"
    path.parent.mkdir()
    path.write_bytes(png(mode="RGBA"))
    (served.folders.base / "secret.txt").write_text("secret")
    return path


async def test_a_file_is_viewed_in_either_way(served: Serving, picture: Path) -> None:
    for url in ("/view?filename=p.png&subfolder=sub&type=output", "/view/sub/p.png", "/api/view/sub/p.png?type=output"):
        answer = await served.client.get(url)
        assert answer.status == 200 and answer.content_type == "image/png"
        assert await answer.read() == picture.read_bytes()
        assert 'filename="p.png"' in answer.headers["Content-Disposition"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_ranges_and_entity_tags(served: Serving, picture: Path) -> None:
    answer = await served.client.get("/view/sub/p.png", headers={"Range": "bytes=1-3"})
    assert (answer.status, await answer.read()) == (206, b"PNG")
    tag = answer.headers["ETag"]
    assert (await served.client.get("/view/sub/p.png", headers={"If-None-Match": tag})).status == 304


async def test_previews_and_channels(served: Serving, picture: Path) -> None:
    base = "/view?filename=p.png&subfolder=sub"
    for query, kind, mode in (
        ("preview=webp;50", "image/webp", "RGBA"),
        ("preview=jpeg", "image/jpeg", "RGB"),
        ("channel=rgb", "image/png", "RGB"),
        ("channel=a", "image/png", "RGBA"),
    ):
        answer = await served.client.get(f"{base}&{query}")
        assert (answer.status, answer.content_type) == (200, kind)
        with Image.open(io.BytesIO(await answer.read())) as image:
            assert image.size == (4, 3) and image.mode == mode
    assert (await served.client.get(f"{base}&channel=x")).status == 400


async def test_postscript_is_not_drawn(served: Serving) -> None:
    (served.folders.output / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    answer = await served.client.get("/view?filename=x.png&preview=webp")
    assert answer.status == 400
    assert "EPS" in (await answer.json())["error"]["message"]


async def test_a_broken_picture_has_no_preview(served: Serving) -> None:
    (served.folders.output / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    answer = await served.client.get("/view?filename=broken.png&preview=webp")
    assert answer.status == 400
    assert (await answer.json())["error"]["remedy"]


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "script.js", "what.bin", "page.xhtml"])
async def test_what_could_act_as_a_page_is_a_download(served: Serving, name: str) -> None:
    (served.folders.output / name).write_text("<script>1</script>")
    answer = await served.client.get(f"/view?filename={name}")
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ESCAPES)
async def test_names_stay_in_their_folders(served: Serving, picture: Path, name: str) -> None:
    queries: list[dict[str, str]] = [
        {"filename": name},
        {"filename": "secret.txt", "subfolder": name.removesuffix("secret.txt")},
    ]
    for query in queries:
        for folder in ("output", "input", "temp"):
            answer = await served.client.get("/view", params={**query, "type": folder})
            assert answer.status in (400, 404), await answer.text()
    assert (await served.client.get("/view?filename=p.png&type=models")).status == 400
    assert (await served.client.get("/view")).status == 400
    for method, url in (("get", "/userdata/"), ("post", "/userdata/"), ("delete", "/userdata/")):
        answer = await getattr(served.client, method)(url + name.replace("%2F", "/").replace("\x00", "%00"))
        assert answer.status in (400, 404, 405)
    answer = await served.client.post("/upload/image", data=form(png(), subfolder=name.replace("%2F", "/")))
    assert answer.status == 400


async def test_names_that_no_file_can_have_are_refused(served: Serving) -> None:
    answer = await served.client.post("/upload/image", data=form(png(), subfolder="x" * 300))
    assert answer.status == 400
    assert (await served.client.post("/userdata/" + "x" * 300, data=b"x")).status in (400, 507)
    assert (await served.client.get("/view?filename=" + "x" * 300)).status in (400, 404)


async def test_links_out_of_the_folders_are_not_followed(served: Serving, picture: Path) -> None:
    (served.folders.output / "link.txt").symlink_to(served.folders.base / "secret.txt")
    assert (await served.client.get("/view?filename=link.txt")).status == 400


async def test_an_upload_is_kept_and_never_replaces_another(served: Serving) -> None:
    first, second = png(), png((9, 9))
    told = await (await served.client.post("/upload/image", data=form(first))).json()
    assert told == {"name": "a.png", "subfolder": "", "type": "input"}
    assert (await (await served.client.post("/upload/image", data=form(first))).json())["name"] == "a.png"
    assert (await (await served.client.post("/upload/image", data=form(second))).json())["name"] == "a (1).png"
    assert (await (await served.client.post("/upload/image", data=form(second, overwrite="true"))).json())[
        "name"
    ] == "a.png"
    assert (served.folders.input / "a.png").read_bytes() == second
    told = await (await served.client.post("/api/upload/image", data=form(first, subfolder="s", type="temp"))).json()
    assert told == {"name": "a.png", "subfolder": "s", "type": "temp"}
    assert (served.folders.temp / "s" / "a.png").read_bytes() == first


async def test_an_uploads_name_is_a_name_only(served: Serving) -> None:
    told = await (await served.client.post("/upload/image", data=form(png(), name="C:\\fakepath\\up.png"))).json()
    assert told["name"] == "up.png"
    assert (served.folders.input / "up.png").is_file()
    for name in ("../../out.png", "a/../../out.png", "..\\out.png"):
        answer = await served.client.post("/upload/image", data=form(png(), name=name))
        assert answer.status == 400 and "out.png" in (await answer.json())["error"]["message"]
    assert not list(served.folders.base.rglob("out.png"))


@pytest.mark.parametrize("data", [{"image": "text"}, {}])
async def test_an_upload_without_a_file_is_refused(served: Serving, data: Any) -> None:
    assert (await served.client.post("/upload/image", data=data)).status == 400
    assert (await served.client.post("/upload/image", json=data)).status == 400


async def test_a_mask_becomes_the_alpha_of_its_picture(served: Serving) -> None:
    (served.folders.input / "original.png").write_bytes(png(workflow="kept"))
    mask = io.BytesIO()
    Image.new("RGBA", (4, 3), (0, 0, 0, 7)).save(mask, "PNG")
    reference = json.dumps({"filename": "original.png", "type": "input", "subfolder": ""})
    data = form(mask.getvalue(), name="masked.png", original_ref=reference)
    told = await (await served.client.post("/upload/mask", data=data)).json()
    with Image.open(served.folders.input / told["name"]) as image:
        assert image.mode == "RGBA" and image.getpixel((0, 0)) == (255, 0, 0, 7)
        assert image.info["workflow"] == "kept"
    wrong = form(png((1, 1), "RGBA"), original_ref=reference)
    assert (await served.client.post("/upload/mask", data=wrong)).status == 400
    assert (await served.client.post("/upload/mask", data=form(png(), original_ref="{"))).status == 400


async def test_an_upload_that_is_too_large_is_refused(tmp_path: Path) -> None:
    from tests.support.in_process import serving

    async with serving(tmp_path, max_upload_bytes=1000) as small:
        answer = await small.client.post("/upload/image", data=form(b"x" * 5000))
        assert answer.status == 413
        assert (await answer.json())["error"]["remedy"]
        answer = await small.client.post("/prompt", json={"prompt": {"1": "x" * 5000}})
        assert answer.status == 413


async def test_the_files_of_a_profile(served: Serving) -> None:
    client = served.client
    assert await (await client.get("/userdata?dir=workflows&recurse=true&full_info=true")).json() == []
    told = await client.post("/userdata/workflows%2Fa.json?overwrite=false&full_info=true", data=b'{"a": 1}')
    body = await told.json()
    assert body["path"] == "workflows/a.json" and body["size"] == 8 and body["modified"] > 1e12
    assert (await client.post("/userdata/workflows%2Fa.json?overwrite=false", data=b"{}")).status == 409
    assert await (await client.post("/userdata/workflows%2Fb.json", data=b"{}")).json() == "workflows/b.json"
    assert await (await client.get("/userdata/workflows%2Fa.json")).read() == b'{"a": 1}'
    listed = await (await client.get("/userdata?dir=workflows&recurse=true&full_info=true")).json()
    assert [entry["path"] for entry in listed] == ["a.json", "b.json"]
    assert await (await client.get("/userdata?dir=workflows&split=true")).json() == [
        ["a.json", "a.json"],
        ["b.json", "b.json"],
    ]
    tree = await (await client.get("/v2/userdata?path=")).json()
    assert [(entry["type"], entry["path"]) for entry in tree if entry["path"].startswith("workflows")] == [
        ("directory", "workflows"),
        ("file", "workflows/a.json"),
        ("file", "workflows/b.json"),
    ]
    moved = await client.post("/userdata/workflows%2Fa.json/move/workflows%2Fc%2Fd.json?overwrite=false")
    assert await moved.json() == "workflows/c/d.json"
    assert (await client.post("/userdata/workflows%2Fb.json/move/workflows%2Fc%2Fd.json?overwrite=false")).status == 409
    assert (await client.delete("/userdata/workflows%2Fc%2Fd.json")).status == 204
    assert (await client.delete("/userdata/workflows%2Fc%2Fd.json")).status == 404
    assert (await client.get("/userdata?dir=nothing")).status == 404
    assert (await client.get("/userdata")).status == 400
    assert (await client.get("/v2/userdata?path=workflows/b.json")).status == 400
    assert await (await client.get("/userdata/user.css")).text() == ""


async def test_settings_are_kept(served: Serving) -> None:
    client = served.client
    assert (await (await client.get("/settings")).json())["Comfy.TutorialCompleted"] is True
    assert (await client.post("/settings/Some.Thing", json=[1, 2])).status == 200
    assert (await client.post("/settings", json={"Other": {"x": None}})).status == 200
    assert await (await client.get("/settings/Some.Thing")).json() == [1, 2]
    assert (await (await client.get("/api/settings")).json())["Other"] == {"x": None}
    assert await (await client.get("/settings/Unknown")).json() is None
    assert (await client.post("/settings", data=b"[")).status == 400
    copy = served.folders.user / "default" / "comfy.settings.json"
    assert json.loads(copy.read_text())["Some.Thing"] == [1, 2], "packs read them there"
    copy.write_text("{broken")
    assert await (await client.get("/settings/Some.Thing")).json() == [1, 2]


@pytest.mark.parametrize(("content", "found"), [('{"Comfy.Name": "x"}', "x"), ("{broken", None), ("[1]", None)])
async def test_the_settings_of_an_earlier_version_are_taken_over(served: Serving, content: str, found: object) -> None:
    file = served.folders.user / "default" / "comfy.settings.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    assert await (await served.client.get("/settings/Comfy.Name")).json() == found
    assert (await served.client.post("/settings/Other", json=1)).status == 200
    file.unlink()
    assert await (await served.client.get("/settings/Comfy.Name")).json() == found


async def test_users_with_one_and_with_several_profiles(served: Serving, tmp_path: Path) -> None:
    from tests.support.in_process import serving

    assert (await (await served.client.get("/users")).json())["storage"] == "server"
    async with serving(tmp_path / "more", multi_user=True) as several:
        client = several.client
        assert (await client.get("/settings")).status == 401
        profile = await (await client.post("/users", json={"username": "Ann B"})).json()
        assert (await client.post("/users", json={"username": "Ann B"})).status == 400
        assert (await client.post("/users", json={})).status == 400
        assert (await (await client.get("/users")).json())["users"] == {profile: "Ann B"}
        headers = {"comfy-user": profile}
        assert (await client.post("/settings/a", json=1, headers=headers)).status == 200
        assert await (await client.get("/settings/a", headers=headers)).json() == 1
        assert (await client.get("/settings", headers={"comfy-user": "../default"})).status == 401


async def test_models_and_what_is_known_of_them(served: Serving) -> None:
    folder = served.folders.model_folder("loras").paths[0]
    header = json.dumps({"__metadata__": {"ss_name": "x"}}).encode()
    (folder / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (folder / "a.preview.png").write_bytes(png())
    (folder / "broken.safetensors").write_bytes(b"\xff" * 20)
    client = served.client
    kinds = await (await client.get("/models")).json()
    assert {"checkpoints", "configs", "custom_nodes"}.issubset(kinds)
    assert await (await client.get("/models/loras")).json() == ["a.safetensors", "broken.safetensors"]
    assert (await client.get("/models/nothing")).status == 404
    shown = {entry["name"] for entry in await (await client.get("/experiment/models")).json()}
    assert shown == set(kinds) - {"configs", "custom_nodes"}
    (first, _) = await (await client.get("/experiment/models/loras")).json()
    assert (first["name"], first["pathIndex"]) == ("a.safetensors", 0) and first["size"] > 0
    assert (await client.get("/experiment/models/nothing")).status == 404
    assert (await client.get("/experiment/models/preview/loras/0/a.safetensors")).content_type == "image/webp"
    assert (await client.get("/experiment/models/preview/loras/0/broken.safetensors")).status == 404
    assert (await client.get("/experiment/models/preview/loras/9/a.safetensors")).status == 404
    assert await (await client.get("/view_metadata/loras?filename=a.safetensors")).json() == {"ss_name": "x"}
    assert (await client.get("/view_metadata/loras?filename=broken.safetensors")).status == 400
    assert (await client.get("/view_metadata/loras?filename=../a.safetensors")).status == 400
    assert (await client.get("/view_metadata/loras")).status == 400


async def test_the_cover_in_a_model_file_is_its_preview(served: Serving) -> None:
    folder = served.folders.model_folder("loras").paths[0]
    covers = json.dumps([base64.b64encode(png()).decode()])
    header = json.dumps({"__metadata__": {"ssmd_cover_images": covers}}).encode()
    (folder / "c.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    answer = await served.client.get("/experiment/models/preview/loras/0/c.safetensors")
    assert (answer.status, answer.content_type) == (200, "image/webp")
    with Image.open(io.BytesIO(await answer.read())) as shown, Image.open(io.BytesIO(png())) as cover:
        assert shown.size == cover.size


async def test_models_are_loaded_and_unloaded(served: Serving) -> None:
    (served.folders.model_folder("checkpoints").paths[0] / "m.safetensors").write_bytes(b"x")
    client = served.client
    assert (await client.post("/models/load", json={"name": "m.safetensors"})).status == 200
    assert (await client.post("/models/load", json={"ckpt_name": "m.safetensors"})).status == 200
    assert served.machine.loaded == [("checkpoints", "m.safetensors")] * 2
    assert (await client.post("/models/load", json={"name": "none.safetensors"})).status == 404
    assert (await client.post("/models/load", json={"name": "../m.safetensors"})).status == 400
    assert (await client.post("/models/load", json={})).status == 400
    assert (await client.post("/models/unload", json={"name": "m.safetensors"})).status == 200
    assert (await client.post("/models/unload")).status == 200
    assert served.machine.freed == [{"models": True, "cache": False}] * 2


async def test_embeddings_are_named_without_their_endings(served: Serving) -> None:
    folder = served.folders.model_folder("embeddings").paths[0]
    (folder / "style.pt").write_bytes(b"x")
    (folder / "sub").mkdir()
    (folder / "sub" / "other.safetensors").write_bytes(b"x")
    assert await (await served.client.get("/embeddings")).json() == ["style", "sub/other"]


async def test_file_lists_in_object_info_are_fresh(served: Serving) -> None:
    async def choices() -> list[str]:
        told = await (await served.client.get("/object_info/Load")).json()
        whole = await (await served.client.get("/object_info")).json()
        assert told["Load"] == whole["Load"]
        found: list[str] = told["Load"]["input"]["required"]["ckpt_name"][0]
        return found

    before = await choices()
    (served.folders.model_folder("checkpoints").paths[0] / "new.safetensors").write_bytes(b"x")
    assert sorted(await choices()) == sorted([*before, "new.safetensors"])


async def test_object_info_is_compressed_and_tagged(served: Serving) -> None:
    plain = await served.client.get("/object_info", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    packed = await served.client.get("/object_info", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert await packed.read() == await plain.read()
    again = await served.client.get("/object_info", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    assert await (await served.client.get("/object_info/Nothing")).json() == {}
    assert isinstance(served.services.object_info(), ObjectInfo)


async def test_assets_are_listed_and_read(served: Serving) -> None:
    (served.folders.input / "b.png").write_bytes(png())
    told = await (await served.client.get("/api/assets?include_tags=input&name_contains=B.P")).json()
    (asset,) = told["assets"]
    assert (asset["name"], asset["tags"], told["total"], told["has_more"]) == ("b.png", ["input"], 1, False)
    assert (await (await served.client.get(f"/assets/{asset['id']}")).json())["mime_type"] == "image/png"
    assert await (await served.client.get(f"/assets/{asset['id']}/content")).read() == png()
    assert (await served.client.get(f"/assets/{'0' * 32}")).status == 404
    assert {tag["name"] for tag in (await (await served.client.get("/tags")).json())["tags"]} >= {"input"}


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
async def test_a_disk_that_takes_no_more_is_told(served: Serving, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A folder that cannot be made is not the name's fault; the server stays up."""
    path = "/userdata/" + quote("new folder/a.json", safe="")

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", refused)
        answer = await served.client.post(path, data=b"{}")
        told = (await answer.json())["error"]
        assert (answer.status, told["type"]) == (507, "disk_error") and told["remedy"]
    assert (await served.client.post(path, data=b"{}")).status == 200
    assert (await served.client.post("/userdata/" + quote("new folder/a.json/b", safe=""), data=b"{}")).status == 400
