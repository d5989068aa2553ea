"""The login in front of the editor, which is served as its makers built it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from limner.accounts import Accounts
from tests.browser.conftest import READY, open_browser
from tests.support.live_server import LiveServer, live_server

pytestmark = pytest.mark.browser
PASSWORD = "correct horse"
QUEUED = "fetch('/api/queue').then(answer => answer.status)"
CONNECTED = "window.app.api.socket?.readyState === WebSocket.OPEN"


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("shut")
    accounts = Accounts(base / "user" / "limner" / "accounts.sqlite")
    accounts.add("ann", PASSWORD)
    accounts.close()
    with live_server(base) as running:
        yield running


async def test_the_editor_opens_after_the_login(shut: LiveServer, browser_path: str) -> None:
    async with open_browser(browser_path) as browser:
        page = await browser.new_page()
        await page.goto(shut.url)
        assert page.url.startswith(f"{shut.url}/login")
        await page.fill("[name=username]", "ann")
        await page.fill("[name=password]", "wrong horse")
        await page.click("text=Log in >> nth=-1")
        assert await page.text_content("[role=alert]") == "That name and password do not go together."
        await page.fill("[name=username]", "ann")
        await page.fill("[name=password]", PASSWORD)
        await page.click("text=Log in >> nth=-1")
        await page.wait_for_function(READY, timeout=60_000)
        await page.wait_for_function(CONNECTED, timeout=20_000)
        assert await page.evaluate(QUEUED) == 200
        assert "limner_session" not in await page.evaluate("document.cookie")
        await page.goto(f"{shut.url}/login")
        await page.click("text=Log out ann")
        await page.goto(shut.url)
        assert page.url.startswith(f"{shut.url}/login")
