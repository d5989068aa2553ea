"""Pictures are decoded by a few threads at a time, so that large ones asked for at once do not fill the memory.

A picture of the most pixels that are shown takes about a gigabyte while it is drawn anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from aiohttp import web

AT_ONCE = 2

P = ParamSpec("P")
T = TypeVar("T")


async def drawn(request: web.Request, draw: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function that decodes pictures gives, called in a thread when it is its turn."""
    async with request.app[TURNS]:
        return await asyncio.to_thread(draw, *args, **kwargs)


TURNS = web.AppKey("drawing", asyncio.Semaphore)
