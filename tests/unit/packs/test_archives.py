"""Archives: what is unpacked, and what is refused before anything of it is believed."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from limner.packs.archives import Limits, unpack
from limner.packs.errors import BadSource


def zip_of(path: Path, *entries: tuple[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_a_zip_and_its_one_folder(tmp_path: Path) -> None:
    archive = zip_of(
        tmp_path / "a.zip", ("pack-main/", b""), ("pack-main/__init__.py", b"x"), ("pack-main/a/b.py", b"y")
    )
    inside = unpack(archive, tmp_path / "out")
    assert inside == tmp_path / "out" / "pack-main"
    assert (inside / "a" / "b.py").read_bytes() == b"y"


def test_a_pack_may_lie_at_the_top(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", ("__init__.py", b"x"), ("web/a.js", b"y"), ("__MACOSX/._x", b""))
    assert unpack(archive, tmp_path / "out") == tmp_path / "out"


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", ""])
def test_every_kind_of_tar(kind: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", f"w:{kind}") as archive:  # type: ignore[call-overload]
        info = member("./pack/__init__.py")
        info.size, info.mode = 1, 0o4777
        archive.addfile(info, io.BytesIO(b"x"))
    inside = unpack(tmp_path / "a.tar", tmp_path / "out")
    assert (inside / "__init__.py").read_bytes() == b"x"
    assert stat.S_IMODE((inside / "__init__.py").stat().st_mode) == 0o755, "special bits are dropped"


@pytest.mark.parametrize(
    "name",
    ["../out.py", "a/../../out.py", "/etc/out.py", "C:/out.py", "a\\..\\..\\out.py", "..", "a/.. /x", "x:y"],
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="not safe"):
        unpack(zip_of(tmp_path / "a.zip", ("ok.py", b""), (name, b"x")), tmp_path / "deep" / "out")
    with pytest.raises(BadSource, match="not safe"):
        unpack(tar_of(tmp_path / "a.tgz", (member(name), b"x")), tmp_path / "deep" / "out2")
    assert not list(tmp_path.rglob("out.py"))


def test_links_are_refused(tmp_path: Path) -> None:
    link = stat.S_IFLNK | 0o777
    with pytest.raises(BadSource, match="'l' is a link"):
        unpack(zip_of(tmp_path / "a.zip", ("l", b"/etc/passwd"), mode=link), tmp_path / "1")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        with pytest.raises(BadSource, match="'l' is a link"):
            unpack(tar_of(tmp_path / "a.tgz", (member("l", kind, "/etc/passwd"), b"")), tmp_path / kind.hex())
    with pytest.raises(BadSource, match="neither a file nor a folder"):
        unpack(tar_of(tmp_path / "a.tgz", (member("p", tarfile.FIFOTYPE), b"")), tmp_path / "fifo")


def test_bombs_are_refused(tmp_path: Path) -> None:
    limits = Limits(size=10_000, files=5)
    with pytest.raises(BadSource, match="more than 10000 bytes"):
        unpack(zip_of(tmp_path / "a.zip", ("a", bytes(9_000)), ("b", bytes(1_001))), tmp_path / "1", limits)
    with pytest.raises(BadSource, match="more than 5 entries"):
        unpack(zip_of(tmp_path / "a.zip", *((f"d{n}/", b"") for n in range(6))), tmp_path / "2", limits)
    with pytest.raises(BadSource, match="too deep"):
        unpack(zip_of(tmp_path / "a.zip", ("a/" * 41 + "x", b"")), tmp_path / "3", limits)


def test_sizes_that_lie_are_found_out(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", ("a", bytes(50_000)))
    data = bytearray(archive.read_bytes())
    for place in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[place : place + 4] = (10).to_bytes(4, "little")
    archive.write_bytes(data)
    with pytest.raises(BadSource):
        unpack(archive, tmp_path / "out", Limits(size=10_000))
    written = list((tmp_path / "out").rglob("*"))
    assert sum(path.stat().st_size for path in written if path.is_file()) <= 10_000


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = zip_of(tmp_path / "a.zip", ("a.py", b"1"), ("a.py", b"2"))
    with pytest.raises(BadSource, match=r"holds 'a\.py' twice"):
        unpack(archive, tmp_path / "out")
    with pytest.raises(BadSource, match="twice"):
        unpack(zip_of(tmp_path / "b.zip", ("a.py", b"1"), ("A.PY", b"2")), tmp_path / "out2")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"\x1f\x8b nothing", bytes(1000)])
def test_what_is_no_archive_is_said(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    try:
        inside = unpack(tmp_path / "a.zip", tmp_path / "out")
    except BadSource as error:
        assert "archive" in str(error)
    else:
        assert list(inside.iterdir()) == [], "a tar of zeros is an empty one"


def test_a_cut_archive_is_said(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        info = member("a")
        info.size = 100_000
        archive.addfile(info, io.BytesIO(bytes(range(250)) * 400))
    data = (tmp_path / "a.tgz").read_bytes()
    (tmp_path / "a.tgz").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadSource, match="damaged"):
        unpack(tmp_path / "a.tgz", tmp_path / "out")
