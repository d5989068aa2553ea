"""A server that asks for a login: who gets in, how, and what each may do."""

from __future__ import annotations

import asyncio
import gzip
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSCloseCode, WSMsgType

from limner.accounts import Accounts, Scope
from limner.server import auth
from limner.server.auth import ADMIN, COOKIE
from limner.server.openapi import PARAMETER
from limner.server.routes import all_routes
from limner.server.routes.assets import IDENTIFIER
from tests.support.in_process import Serving, serving

PASSWORD = "correct horse"
ASSET = f"{'0' * 8}-0000-0000-0000-{'0' * 12}"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
Shut = Callable[..., AbstractAsyncContextManager[tuple[Serving, Accounts]]]


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of users, made once: passwords are slow by intention."""
    accounts = Accounts(tmp_path_factory.mktemp("users") / "accounts.sqlite")
    accounts.add("ann", PASSWORD, admin=True)
    accounts.add("bob", PASSWORD)
    accounts.close()
    return accounts.path


@pytest.fixture
def shut(tmp_path: Path, users: Path) -> Shut:
    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[tuple[Serving, Accounts]]:
        accounts = Accounts(Path(shutil.copy(users, tmp_path / "accounts.sqlite")))
        try:
            async with serving(tmp_path, accounts, **settings) as served:
                yield served, accounts
        finally:
            accounts.close()

    return opened


def bearer(accounts: Accounts, user: str, scope: Scope = Scope.RUN) -> dict[str, str]:
    return {"Authorization": f"Bearer {accounts.new_token(user, scope)[1]}"}


async def log_in(served: Serving, user: str = "ann", password: str = PASSWORD, **form: str) -> Any:
    said = {"username": user, "password": password, **form}
    return await served.client.post("/login", data=said, allow_redirects=False)


async def test_a_stranger_gets_nothing_but_the_login_page(shut: Shut) -> None:
    async with shut() as (served, _):
        for route in all_routes():
            path = PARAMETER.sub("0", route.path.replace("{path:.+}", "index.html").replace(IDENTIFIER, ASSET))
            for name in (path, f"/api{path}"):
                answer = await served.client.request(route.method, name, allow_redirects=False)
                if path in ("/healthz", "/readyz", "/login", "/logout"):
                    continue
                told = await answer.json()
                assert answer.status == 401, f"{route.method} {name}"
                assert told["error"]["type"] == "login_needed"
        for path in ("/nothing", "/index.html/", "/api", "/login/..", "/assets/x.js"):
            assert (await served.client.get(path)).status == 401


async def test_a_browser_is_sent_to_the_login_page_and_back(shut: Shut) -> None:
    async with shut() as (served, _):
        sent = await served.client.get("/?a=1", headers=PAGE, allow_redirects=False)
        assert sent.status == 302
        page = await served.client.get(sent.headers["Location"], headers=PAGE)
        text = await page.text()
        assert page.status == 200 and 'name="next" value="/?a=1"' in text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        back = await log_in(served, next="/?a=1")
        assert back.status == 303 and back.headers["Location"] == "/?a=1"
        assert (await served.client.get("/queue")).status == 200
        assert (await served.client.get("/", headers=PAGE)).status == 200


async def test_the_cookie_is_out_of_reach(shut: Shut) -> None:
    async with shut() as (served, _):
        cookie = (await log_in(served)).headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Secure" not in cookie
    async with shut(trusted_proxies=("127.0.0.1",)) as (served, _):
        said = {"username": "ann", "password": PASSWORD}
        answer = await served.client.post("/login", json=said, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in answer.headers["Set-Cookie"]


async def test_logging_out_ends_the_login(shut: Shut) -> None:
    async with shut() as (served, _):
        cookie = (await log_in(served)).cookies[COOKIE].value
        await served.client.post("/logout", allow_redirects=False)
        served.client.session.cookie_jar.clear()
        assert (await served.client.get("/queue", headers={"Cookie": f"{COOKIE}={cookie}"})).status == 401


@pytest.mark.parametrize(
    "onwards", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\r\nX: y", "x"]
)
async def test_the_login_leads_to_no_other_site(shut: Shut, onwards: str) -> None:
    async with shut() as (served, _):
        assert (await log_in(served, next=onwards)).headers["Location"] == "/"


async def test_what_the_page_shows_is_no_markup(shut: Shut) -> None:
    async with shut() as (served, _):
        page = await (await served.client.get("/login", params={"next": '"><script>x</script>'})).text()
        assert "<script>" not in page


async def test_wrong_passwords_are_refused_alike_and_then_not_checked(shut: Shut) -> None:
    async with shut() as (served, _):
        known, unknown = await log_in(served, "ann", "wrong"), await log_in(served, "nobody", "wrong")
        assert known.status == unknown.status == 401
        assert await known.text() == await unknown.text()
    async with shut() as (served, accounts):
        accounts.check = lambda name, password: None  # type: ignore[method-assign]  # quick to be wrong
        assert [(await log_in(served, "ann", "wrong")).status for _ in range(10)] == [401] * 10
        assert (await log_in(served)).status == 429
        told = await served.client.post("/login", json={"username": "ann", "password": PASSWORD})
        assert told.status == 429 and (await told.json())["error"]["type"] == "too_many_attempts"


async def test_a_login_from_another_site_is_refused(shut: Shut) -> None:
    async with shut() as (served, _):
        said = {"username": "ann", "password": PASSWORD}
        answer = await served.client.post("/login", data=said, headers={"Origin": "http://evil.example"})
        assert answer.status == 403 and "Set-Cookie" not in answer.headers


async def test_long_logins_are_refused_before_they_are_read(shut: Shut) -> None:
    async with shut() as (served, _):
        assert (await log_in(served, "ann", "x" * 100_000)).status == 413

        async def unmeasured() -> AsyncIterator[bytes]:
            for piece in (b'{"username": "', b"x" * 100_000, b'", "password": "x"}'):
                yield piece

        asked = {
            "application/json": unmeasured(),
            "application/x-www-form-urlencoded": gzip.compress(b"username=" + b"x" * 100_000),
        }
        for kind, data in asked.items():
            packed = {} if kind.endswith("json") else {"Content-Encoding": "gzip"}
            headers = {"Content-Type": kind, **packed}
            assert (await served.client.post("/login", data=data, headers=headers)).status == 413


async def test_tokens_let_programs_in_within_their_scope(shut: Shut) -> None:
    async with shut() as (served, accounts):
        read, run, admin = (bearer(accounts, "ann", scope) for scope in Scope)
        assert (await served.client.get("/queue", headers=read)).status == 200
        answer = await served.client.post("/queue/clear", headers=read)
        assert answer.status == 403 and (await answer.json())["error"]["type"] == "not_allowed"
        assert (await served.client.post("/queue/clear", headers=run)).status == 200
        assert (await served.client.post("/free", headers=run)).status == 403
        assert (await served.client.post("/free", headers=admin)).status == 200
        assert (await served.client.get("/queue", headers={"Authorization": "Bearer lmn_wrong"})).status == 401


async def test_every_route_of_the_admins_exists_and_is_theirs_alone(shut: Shut) -> None:
    assert {(route.method, route.path) for route in all_routes()}.issuperset(ADMIN)
    async with shut() as (served, accounts):
        bob = bearer(accounts, "bob")
        for method, path in ADMIN:
            for name in (path, f"/api{path}"):
                assert (await served.client.request(method, name, headers=bob)).status == 403


async def test_a_wrong_token_is_refused_beside_a_good_cookie(shut: Shut) -> None:
    async with shut() as (served, _):
        await log_in(served)
        assert (await served.client.get("/queue", headers={"Authorization": "Bearer x"})).status == 401


async def test_a_token_in_the_address_is_for_sockets_and_streams_alone(shut: Shut) -> None:
    async with shut() as (served, accounts):
        token = accounts.new_token("bob", Scope.READ)[1]
        async with served.client.ws_connect(f"/ws?token={token}") as socket:
            assert (await socket.receive_json())["type"] == "status"
        stream = await served.client.get(f"/events?token={token}")
        assert stream.status == 200
        stream.close()
        assert (await served.client.get(f"/queue?token={token}")).status == 401
        assert (await served.client.post(f"/queue/clear?token={token}")).status == 401
        sent = await served.client.get(f"/?token={token}", headers=PAGE, allow_redirects=False)
        assert token not in sent.headers["Location"]


async def test_a_token_in_the_address_is_not_logged(shut: Shut, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with shut() as (served, accounts):
        token = accounts.new_token("bob", Scope.READ)[1]
        async with served.client.ws_connect(f"/ws?token={token}") as socket:
            await socket.receive_json()
        await served.client.get(f"/queue?token={token}")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.access")]
    assert not any(token in line for line in ours)


async def test_sockets_need_a_login_and_our_own_page(shut: Shut) -> None:
    async with shut() as (served, _):
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert (await served.client.get("/ws", headers=upgrade)).status == 401
        await log_in(served)
        hijack = upgrade | {"Origin": "http://evil.example"}
        assert (await served.client.get("/ws", headers=hijack)).status == 403


async def test_a_removed_user_is_out_at_once(shut: Shut) -> None:
    async with shut() as (served, accounts):
        await log_in(served, "bob")
        assert (await served.client.get("/queue")).status == 200
        accounts.remove("bob")
        assert (await served.client.get("/queue")).status == 401


async def test_streams_end_with_their_login(shut: Shut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "RECHECK", 0.02)
    async with shut() as (served, accounts), asyncio.timeout(20):
        token, secret = accounts.new_token("bob", Scope.RUN)
        headers = {"Authorization": f"Bearer {secret}"}
        async with served.client.ws_connect("/ws", headers=headers) as socket:
            assert (await socket.receive()).type is WSMsgType.TEXT
            stream = await served.client.get("/events", headers=headers)
            await asyncio.sleep(0.1)
            assert not socket.closed and not stream.content.at_eof(), "they last as long as the login"
            accounts.remove_token(token.id)
            message = await socket.receive()
            assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.POLICY_VIOLATION)
            await stream.content.read()
        await log_in(served, "bob")
        async with served.client.ws_connect("/ws") as socket:
            assert (await socket.receive()).type is WSMsgType.TEXT
            await served.client.post("/logout", allow_redirects=False)
            assert (await socket.receive()).type is WSMsgType.CLOSE


async def test_requests_are_counted_by_user(shut: Shut) -> None:
    async with shut(requests_per_minute=5) as (served, accounts):
        bob, ann = bearer(accounts, "bob"), bearer(accounts, "ann")
        assert [(await served.client.get("/features", headers=bob)).status for _ in range(6)] == [200] * 5 + [429]
        assert (await served.client.get("/features", headers=ann)).status == 200


async def test_without_accounts_nobody_is_asked(served: Serving) -> None:
    assert (await served.client.get("/queue")).status == 200
    assert (await served.client.get("/login", allow_redirects=False)).status == 303
    assert (await served.client.post("/login", json={"username": "a", "password": "b"})).status == 404


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"username": "\\ud83d", "password": "\\ud83d\\ud83d\\ud83d\\ud83d"}'),
        ("application/x-www-form-urlencoded; charset=nonsense", b"username=ann"),
        ("multipart/form-data", b"no boundary"),
    ],
)
async def test_a_broken_login_fails_by_name(shut: Shut, kind: str, body: bytes) -> None:
    async with shut() as (served, _):
        answer = await served.client.post("/login", data=body, headers={"Content-Type": kind})
        assert answer.status in (400, 401)
