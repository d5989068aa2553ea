"""Where packs come from: what a user types, and what is fetched."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.packs.errors import BadSource, UnknownPack
from limner.packs.registry import Registry
from limner.packs.sources import Fetched, Source, fetch, source_of
from tests.support.pack_sources import FakeRegistry, commit, fake_registry, git, pack, repository, zipped


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        yield found


def fetched(source: Source, tmp_path: Path, registry: str = "http://127.0.0.1:9", name: str = "") -> Fetched:
    folder = tmp_path / "staging"
    folder.mkdir()
    return fetch(source, folder, Registry(registry), name)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("https://github.com/me/Pack", Source("git", "https://github.com/me/Pack")),
        ("https://github.com/me/Pack@v1.2", Source("git", "https://github.com/me/Pack", "v1.2")),
        ("https://example.com/x/Pack.git", Source("git", "https://example.com/x/Pack.git")),
        ("https://example.com/x/Pack.git@dev", Source("git", "https://example.com/x/Pack.git", "dev")),
        ("https://example.com/x/Pack.git#dev/a", Source("git", "https://example.com/x/Pack.git", "dev/a")),
        ("git+https://example.com/Pack", Source("git", "https://example.com/Pack")),
        ("git@example.com:me/Pack.git", Source("git", "git@example.com:me/Pack.git")),
        ("ssh://git@example.com/me/Pack.git@1f0c3aa", Source("git", "ssh://git@example.com/me/Pack.git", "1f0c3aa")),
        (
            "https://github.com/me/Pack/archive/main.zip",
            Source("archive", "https://github.com/me/Pack/archive/main.zip"),
        ),
        ("https://example.com/p.tar.gz?x=1", Source("archive", "https://example.com/p.tar.gz?x=1")),
        ("comfyui-kjnodes", Source("registry", "comfyui-kjnodes")),
        ("comfyui-kjnodes@1.5.0", Source("registry", "comfyui-kjnodes", "1.5.0")),
    ],
)
def test_what_a_user_types(text: str, source: Source) -> None:
    assert source_of(text) == source
    assert Source.recorded(source.table()) == source


@pytest.mark.parametrize(
    "text", ["https://example.com/page", "no/such/folder", "-x", "", "a b", "./missing.zip", "ext::x"]
)
def test_what_is_no_source_is_said(text: str) -> None:
    with pytest.raises(BadSource):
        source_of(text)


def test_a_password_is_not_written_down() -> None:
    assert source_of("https://me:token@example.com/p.git").table()["from"] == "https://example.com/p.git"


def test_a_folder_without_what_tools_left_in_it(packs: Path, tmp_path: Path) -> None:
    source = pack(packs, "some-pack", pyproject__toml='[project]\nversion = "1.2"\n')
    (source / "__pycache__").mkdir()
    found = fetched(source_of(str(source)), tmp_path)
    assert (found.name, found.version, found.commit) == ("some-pack", "1.2", "")
    assert sorted(path.name for path in found.path.iterdir()) == ["__init__.py", "pyproject.toml"]


def test_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "single.py").write_text("X = 1")
    found = fetched(source_of(str(tmp_path / "single.py")), tmp_path, name="other")
    assert (found.name, found.plain_name) == ("other.py", "other")


def test_archives_of_a_forge_lose_the_branch_in_their_name(packs: Path, tmp_path: Path) -> None:
    archive = zipped(pack(packs), tmp_path / "x.zip", "ComfyUI-Thing-main")
    assert fetched(source_of(str(archive)), tmp_path).name == "ComfyUI-Thing"


def test_an_archive_without_a_folder_gives_its_own_name(packs: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "thing.tar.gz", "w:gz") as archive:
        archive.add(pack(packs) / "__init__.py", "__init__.py")
    assert fetched(source_of(str(tmp_path / "thing.tar.gz")), tmp_path).name == "thing"


def test_an_archive_on_the_web(packs: Path, tmp_path: Path, registry: FakeRegistry) -> None:
    data = zipped(pack(packs), tmp_path / "x.zip", "top").read_bytes()
    registry.archives["a"] = {"x.zip": data}
    found = fetched(source_of(f"{registry.url}/files/a/x.zip"), tmp_path)
    assert found.name == "top" and (found.path / "__init__.py").is_file()


def test_a_repository_at_its_branch_a_tag_and_a_commit(packs: Path, tmp_path: Path) -> None:
    origin = repository(pack(packs, "thing", 1))
    first = git(origin, "rev-parse", "HEAD")
    git(origin, "tag", "v1")
    pack(packs, "thing", 2)
    second = commit(origin, "second")
    for number, (ref, value, known) in enumerate(
        [("", 2, second), ("v1", 1, first), (first, 1, first), ("main", 2, second), (first[:10], 1, first)]
    ):
        place = tmp_path / str(number)
        place.mkdir()
        found = fetched(Source("git", f"file://{origin}", ref), place)
        assert (found.name, found.commit) == ("thing", known)
        assert f"return {value}" in (found.path / "__init__.py").read_text()


def test_a_bare_repository_by_its_path(packs: Path, tmp_path: Path) -> None:
    repository(pack(packs, "thing"))
    git(packs, "clone", "--quiet", "--bare", "thing", "bare.git")
    source = source_of(str(packs / "bare.git"))
    assert source.kind == "git"
    assert fetched(source, tmp_path).name == "bare"


@pytest.mark.parametrize(
    ("url", "ref", "says"),
    [
        ("file:///no/such/repository", "", "cannot be cloned"),
        ("{origin}", "no-such-branch", "has no 'no-such-branch'"),
        ("{origin}", "0" * 40, "has no commit"),
        ("ext::sh -c touch% /tmp/limner-owned", "", "cannot be cloned"),
        ("--upload-pack=touch /tmp/limner-owned", "", "is no place to clone from"),
        ("{origin}", "--upload-pack=x", "is no place to clone from"),
    ],
)
def test_what_git_says_is_passed_on(url: str, ref: str, says: str, packs: Path, tmp_path: Path) -> None:
    origin = repository(pack(packs, "thing"))
    with pytest.raises(BadSource, match=says):
        fetched(Source("git", url.replace("{origin}", f"file://{origin}"), ref), tmp_path)
    assert not Path("/tmp/limner-owned").exists()


def test_hooks_of_a_template_do_not_run(packs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = repository(pack(packs, "thing"))
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    fetched(Source("git", f"file://{origin}"), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_links_out_of_a_pack_are_refused(packs: Path, tmp_path: Path) -> None:
    source = pack(packs, "thing")
    (source / "inside").symlink_to("__init__.py")
    (tmp_path / "a").mkdir()
    fetched(source_of(str(source)), tmp_path / "a")
    (source / "web").symlink_to("/etc")
    origin = repository(source)
    (tmp_path / "b").mkdir()
    with pytest.raises(BadSource, match="web is a link that leads out of the pack"):
        fetched(Source("git", f"file://{origin}"), tmp_path / "b")


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "__x", "x.disabled", "-x", "", "a:b", "a" * 101])
def test_a_name_that_no_folder_should_have(name: str, packs: Path, tmp_path: Path) -> None:
    if name:
        with pytest.raises(BadSource, match="is no name for a pack"):
            fetched(source_of(str(pack(packs))), tmp_path, name=name)


def test_what_holds_no_pack_is_said(packs: Path, tmp_path: Path) -> None:
    (packs / "empty").mkdir()
    with pytest.raises(BadSource, match=r"it has no __init__\.py"):
        fetched(source_of(str(packs / "empty")), tmp_path)


def test_the_registry(packs: Path, tmp_path: Path, registry: FakeRegistry) -> None:
    for version, value in (("1.0.0", 1), ("1.1.0", 2)):
        archive = zipped(pack(packs, "thing", value), tmp_path / "x.zip")
        registry.archives.setdefault("a-thing", {})[version] = archive.read_bytes()
    for name, (text, version, value) in enumerate((("a-thing", "1.1.0", 2), ("a-thing@1.0.0", "1.0.0", 1))):
        (tmp_path / str(name)).mkdir()
        found = fetched(source_of(text), tmp_path / str(name), registry.url)
        assert (found.name, found.version) == ("a-thing", version)
        assert f"return {value}" in (found.path / "__init__.py").read_text()
    assert "/nodes/a-thing/install?version=1.0.0" in registry.asked
    assert all(agent.startswith("limner/") for agent in registry.agents)
    client = Registry(registry.url)
    assert [version.version for version in client.versions("a-thing")] == ["1.1.0", "1.0.0"]
    listing = client.listing("a-thing")
    assert (listing.name, listing.publisher, listing.latest, listing.dependencies) == (
        "A-Thing",
        "Me",
        "1.1.0",
        ("gadget",),
    )
    assert [found.id for found in client.search("thing")] == ["a-thing"]


def test_what_the_registry_does_not_have(tmp_path: Path, registry: FakeRegistry) -> None:
    registry.archives["a"] = {"1": b"no archive", "2": b""}
    registry.statuses["a@2"] = "NodeVersionStatusBanned"
    client = Registry(registry.url)
    with pytest.raises(UnknownPack, match="the registry has no pack 'b'"):
        client.version("b")
    with pytest.raises(UnknownPack, match="'a@3'"):
        client.version("a", "3")
    with pytest.raises(BadSource, match="withholds a 2"):
        client.version("a")
    with pytest.raises(BadSource, match="no archive"):
        fetched(source_of("a@1"), tmp_path, registry.url)
    with pytest.raises(BadSource, match="cannot be reached"):
        Registry("http://127.0.0.1:9").listing("a")
