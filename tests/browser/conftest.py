"""The official editor in Chromium, served by `limner serve` as a user starts it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, Request, Response, async_playwright

from tests.support.live_server import LiveServer, live_server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
READY = "window.app?.graph?._nodes?.length > 0 && window.app.extensionManager"


def chromium() -> str:
    """The browser's path. The tests fail without one: on Debian, `make test` installs it."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    pytest.fail(f"Install Chromium (on Debian: apt-get install chromium); none of {', '.join(BROWSERS)} was found")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("base")) as running:
        yield running


@dataclass
class Editor:
    """An open editor, and everything that went wrong or out of it."""

    page: Page
    url: str
    requested: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        self.page.on("requestfailed", lambda request: self.failed.append(f"{request.url} {request.failure}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.requested.append(request.url)

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    @property
    def outside(self) -> list[str]:
        """Requests to any other host."""
        return [url for url in self.requested if not url.startswith((self.url, self.url.replace("http", "ws", 1)))]

    async def open(self) -> None:
        await self.page.goto(self.url)
        await self.page.wait_for_function(READY, timeout=60_000)


@pytest.fixture(scope="module")
def browser_path() -> str:
    return chromium()


@asynccontextmanager
async def open_browser(path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def editor(server: LiveServer, browser_path: str) -> AsyncIterator[Editor]:
    """The editor, opened for the first time by this browser."""
    async with open_browser(browser_path) as browser:
        context = await browser.new_context(viewport={"width": 1400, "height": 900})
        opened = Editor(await context.new_page(), server.url)
        opened.watch()
        await opened.open()
        yield opened
