"""One store of real recordings, one server and one browser for all tests of the pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.shop import Server, Shop
from tests.browser.watched import FLAGS, Watched
from tests.lab import opened

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give the recordings."""
    pytest.importorskip("memray")
    with opened(tmp_path_factory.mktemp("shop")) as lab:
        found = Shop(lab)
        try:
            found.fill()
            yield found
        finally:
            found.close()


@pytest.fixture(scope="session")
def server(shop: Shop) -> Iterator[Server]:
    """Give a server of them."""
    pytest.importorskip("fastapi")
    found = Server(shop.lab)
    yield found
    found.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give the system's Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield found
        found.close()


Opener = Callable[..., Watched]


@pytest.fixture
def opened_page(browser: Browser, server: Server) -> Iterator[Opener]:
    """Give a function that makes watched pages; each is checked at the end."""
    made: list[Watched] = []

    def make(**keywords: Any) -> Watched:
        made.append(Watched(browser, server.url, **keywords))
        return made[-1]

    yield make
    for each in made:
        each.close()
