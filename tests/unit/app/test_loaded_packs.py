"""Packs are imported anew in a host that runs: their nodes and routes are replaced, and nothing else."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from limner.app.loaded_packs import LoadedPacks
from limner.app.role import is_isolated
from limner.comfy.packs import load_packs
from limner.comfy.shims import Bridge, install, uninstall
from limner.engine.ports import Ended, Segment, Task
from limner.engine.values import Values
from limner.files import Folders
from limner.plugins.host import HostCore
from limner.plugins.library import Library
from limner.plugins.services import Services
from limner.sdk import node


@node(type="Builtin")
def builtin() -> int:
    return 0


CLASSES = """
from .part import VALUE
import stray_part

class A:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "x"

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{}}}}

    def run(self):
        return (VALUE + stray_part.VALUE,)

NODE_CLASS_MAPPINGS = {{"{name}": A}}
NODE_DISPLAY_NAME_MAPPINGS = {{"{name}": "titled {value}"}}
"""
ROUTES = """
from aiohttp import web
from server import PromptServer

async def answer(request):
    return web.Response(text="{value}")

def prompt(body):
    return {{**body, "{name}": {value}}}

PromptServer.instance.routes.get("/{name}")(answer)
PromptServer.instance.app.router.add_get("/{name}/{{more:.*}}", answer)
PromptServer.instance.add_on_prompt_handler(prompt)
NODE_CLASS_MAPPINGS = {{}}
WEB_DIRECTORY = "web"
"""


class Fixture:
    def __init__(self, base: Path) -> None:
        self.folder = base / "custom_nodes"
        folders = Folders.under(base)
        folders.prepare()
        services = Services(folders)
        self.bridge = Bridge(folders, services, {})
        self.finder = install(self.bridge)
        for name, value in (("one", 1), ("two", 1)):
            self.classes(name, value)
        self.routes("web_one", 1)
        self.routes("web_two", 1)
        packs = load_packs([self.folder], self.bridge)
        assert not [problem for pack in packs for problem in pack.problems]
        self.loaded = LoadedPacks(Library([builtin]), packs, self.bridge, None, lambda path: not is_isolated(path))
        self.core = HostCore(self.loaded.library(), services)
        self.loaded.belong_to(self.core)
        self.told: list[int] = []
        self.core.changed = lambda: self.told.append(len(self.core.library))

    def classes(self, name: str, value: int) -> None:
        pack = self.folder / name
        pack.mkdir(exist_ok=True)
        stray = f"import sys, os; sys.path.insert(0, os.path.dirname(__file__) + '/lib_{name}')\n"
        (pack / "__init__.py").write_text(
            stray + CLASSES.format(name=name, value=value).replace("stray_part", f"stray_{name}")
        )
        (pack / "part.py").write_text(f"VALUE = {value}")
        (pack / f"lib_{name}").mkdir(exist_ok=True)
        (pack / f"lib_{name}" / f"stray_{name}.py").write_text(f"VALUE = {value}0")

    def routes(self, name: str, value: int) -> None:
        (self.folder / name / "web").mkdir(parents=True, exist_ok=True)
        (self.folder / name / "__init__.py").write_text(ROUTES.format(name=name, value=value))

    def reload(self, *names: str) -> Sequence[Any]:
        return self.loaded.reload([str(self.folder / name) for name in names])

    async def run(self, node_type: str) -> object:
        reports: list[Any] = []
        task = Task("1", "1", node_type, f"f-{node_type}-{time.monotonic_ns()}", {})
        await self.core.run(Segment("run", (task,), {}), reports.extend)
        outcome = next(report.result for report in reports if isinstance(report, Ended))
        assert isinstance(outcome, Values), outcome
        return self.core.items(task.fingerprint, 0)[0]

    def version(self, node_type: str) -> str:
        return self.core.library[node_type].schema.version

    async def answer(self, path: str) -> tuple[int, str]:
        from aiohttp import ClientSession, UnixConnector

        connector = UnixConnector(self.loaded.endpoints.address.removeprefix("unix:"))
        async with ClientSession("http://localhost", connector=connector) as client, client.get(path) as answer:
            return answer.status, await answer.text()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Fixture]:
    before, path = set(sys.modules), list(sys.path)
    made = Fixture(tmp_path)
    yield made
    made.core.close()
    if made.loaded.endpoints._server is not None:
        made.loaded.endpoints._server.end()
        made.loaded.endpoints._server.join()
    uninstall(made.finder)
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.startswith(("custom_nodes", "stray_")):
            del sys.modules[name]


async def test_all_of_a_packs_code_is_new_and_the_rest_is_not(host: Fixture) -> None:
    assert [await host.run("one"), await host.run("two")] == [11, 11]
    other, versions = host.core.library["two"], (host.version("one"), host.version("two"))
    held = Task("9", "9", "Builtin", "held", {})
    await host.core.run(Segment("run", (held,), {}), lambda reports: None)
    host.classes("one", 2)
    (told,) = host.reload("one")
    assert (told["pack"], told["nodes"], told["failed"], told["problems"]) == ("one", 1, False, [])
    assert [await host.run("one"), await host.run("two")] == [22, 11]
    assert host.core.library["one"].schema.display_name == "titled 2"
    assert host.core.library["two"] is other and host.version("two") == versions[1]
    assert host.version("one") != versions[0], "what the old code gave is not taken"
    assert host.core.items("held", 0) == [0], "values stay"
    assert host.told == [3]


async def test_saving_twice_within_a_second_is_no_matter(host: Fixture) -> None:
    for value in (2, 3, 4, 5):
        host.classes("one", value)  # files of one size, within one second
        host.reload("one")
        assert await host.run("one") == value * 11


async def test_code_with_a_mistake_leaves_the_old_nodes(host: Fixture) -> None:
    version, classes, modules = host.version("one"), dict(host.bridge.classes), sys.modules["custom_nodes.one.part"]
    (host.folder / "one" / "part.py").write_text("VALUE = 2")
    with (host.folder / "one" / "__init__.py").open("a") as file:
        file.write("\nimport no_such_thing\n")
    (told,) = host.reload("one")
    assert told["failed"] and told["problems"] == ["ModuleNotFoundError: No module named 'no_such_thing'"]
    assert await host.run("one") == 11
    assert host.version("one") == version and host.bridge.classes == classes
    assert sys.modules["custom_nodes.one.part"] is modules
    assert [problem.message for problem in host.core.library.problems] == told["problems"]
    host.classes("one", 3)
    host.reload("one")
    assert await host.run("one") == 33
    assert not host.core.library.problems


async def test_packs_come_and_go(host: Fixture) -> None:
    (host.folder / "new.py").write_text("from limner.sdk import node\n\n@node\ndef new() -> int:\n    return 7\n")
    host.reload("new.py")
    assert await host.run("New") == 7
    (host.folder / "one").rename(host.folder / "one.disabled")
    assert host.reload("one") == [{"pack": "one", "gone": True}]
    assert set(host.core.library) == {"Builtin", "two", "New"}
    assert "one" not in host.bridge.classes
    assert not [name for name in sys.modules if name.startswith("custom_nodes.one")]
    (host.folder / "two" / "limner.toml").write_text("isolate = true")
    assert host.reload("two") == [{"pack": "two", "gone": True, "elsewhere": True}]
    assert set(host.core.library) == {"Builtin", "New"}


async def test_routes_are_replaced_and_those_of_others_stay(host: Fixture) -> None:
    first = host.loaded.endpoints.address
    assert await host.answer("/web_one") == (200, "1")
    host.routes("web_one", 2)
    host.reload("web_one")
    assert host.loaded.endpoints.address != first
    assert [await host.answer(path) for path in ("/web_one", "/web_one/deep", "/web_two", "/web_two/deep")] == [
        (200, "2"),
        (200, "2"),
        (200, "1"),
        (200, "1"),
    ]
    assert sorted(pattern for _, pattern in host.loaded.endpoints.table if pattern == "/web_one") == ["/web_one"] * 2
    assert host.loaded.endpoints.instance.trigger_on_prompt({}) == {"web_one": 2, "web_two": 1}
    assert host.bridge.web_directories["web_one"] == str(host.folder / "web_one" / "web")
    second = host.loaded.endpoints.address
    host.classes("one", 2)
    host.reload("one")
    assert host.loaded.endpoints.address == second, "a pack without routes does not touch those of others"
    (host.folder / "web_two" / "__init__.py").write_text("raise OSError('no')")
    host.reload("web_two")
    assert await host.answer("/web_two") == (200, "1")
    assert host.loaded.endpoints.instance.trigger_on_prompt({}) == {"web_one": 2, "web_two": 1}


async def test_a_long_step_does_not_hold_up_a_reload(host: Fixture) -> None:
    busy, end = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        end.wait(20)

    from limner.graph import Lane

    holding = host.core.lanes.submit(Lane.DEVICE, hold)
    await asyncio.to_thread(busy.wait)
    host.classes("one", 2)
    await asyncio.to_thread(host.reload, "one")
    assert not end.is_set() and not holding.done()
    assert host.core.library["one"].schema.display_name == "titled 2"
    end.set()
