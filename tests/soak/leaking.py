"""The same application with a middleware that leaks memory, descriptors and tasks: the soak must find them."""

import asyncio
import os

from tests.soak.application import app as sound

_kept: list[object] = []


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    if scope["type"] == "http" and scope["path"] == "/":
        _kept.extend((bytearray(os.urandom(262_144)), os.open(os.devnull, os.O_RDONLY)))
        _kept.append(asyncio.create_task(asyncio.Event().wait()))
    await sound(scope, receive, send)
