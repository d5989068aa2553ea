"""Debian's nginx over the site that ships, with ports and a certificate of the test."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

ROOT = Path(__file__).parents[2]
SITE = ROOT / "deploy" / "nginx" / "limner.conf"
HOST = "pictures.example.org"
START_SECONDS = 30
MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    include {folder}/mime.types;
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """nginx as it runs: the ports that stand for 80 and 443, and what trusts its certificate."""

    plain: int
    port: int
    trust: ssl.SSLContext
    folder: Path

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def log(self) -> str:
        return (self.folder / "access.log").read_text("utf-8")


def program() -> str | None:
    """The nginx that is there: installed, or unpacked by `make test`."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    unpacked = ROOT / ".venv" / "nginx" / "usr" / "sbin" / "nginx"
    return found or (str(unpacked) if unpacked.is_file() else None)


def site(upstream: str, folder: Path, plain: int, port: int) -> str:
    """The site that ships, line by line as it is but for places."""
    changes = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "127.0.0.1:8188": URL(upstream).authority,
        f"/etc/letsencrypt/live/{HOST}": str(folder),
        "/var/log/nginx/limner.log": str(folder / "access.log"),
        "/var/www/html": str(folder / "www"),
    }
    text = SITE.read_text("utf-8")
    for old, new in changes.items():
        assert old in text, f"{SITE.name} has no {old!r} to change"
        text = text.replace(old, new)
    return text


@contextmanager
def proxy(nginx: str, upstream: str, folder: Path) -> Iterator[Proxy]:
    """nginx in front of the server at `upstream`, until the context ends."""
    plain, port = _free(), _free()
    certificate(folder)
    (folder / "www" / ".well-known" / "acme-challenge").mkdir(parents=True)
    (folder / "mime.types").write_text("types { text/html html; }\n")
    (folder / "site.conf").write_text(site(upstream, folder, plain, port))
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    command = [nginx, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    tried = subprocess.run([*command, "-t"], check=False, capture_output=True, text=True)
    assert tried.returncode == 0 and "[warn]" not in tried.stderr, tried.stderr
    with (folder / "error.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        _wait(process, port, folder)
        yield Proxy(plain, port, ssl.create_default_context(cafile=str(folder / "fullchain.pem")), folder)
    finally:
        process.terminate()
        process.wait(timeout=20)


def certificate(folder: Path) -> None:
    """A certificate for HOST that signs itself."""
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *kind, *names, *files], check=True, capture_output=True)


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, (folder / "error.log").read_text()
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nginx did not answer: " + (folder / "error.log").read_text())
