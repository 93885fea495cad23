"""A client: it acts at random, notes what was answered, and finds what is not as it should be."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

SOCKET_ENDS_WITHIN = 15.0
"""Seconds after which an open socket has ended with its session, with time for a store that was down."""

LOST = (httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ConnectTimeout)
"""Requests without a response: they may have been carried out or not. A response that never comes is a fault."""


@dataclass
class Tally:
    """What all clients saw."""

    answered: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    unavailable: int = 0
    lost: int = 0


@dataclass
class Known:
    """What must be in a session, and what may be there beside it."""

    user: str
    values: dict[str, str] = field(default_factory=dict)
    perhaps: dict[str, set[str]] = field(default_factory=dict)
    items: set[str] = field(default_factory=set)
    perhaps_items: set[str] = field(default_factory=set)
    count: int = 0
    perhaps_count: int = 0

    def faults(self, seen: dict[str, Any]) -> list[str]:
        """Return what contradicts the answers."""
        found: list[str] = []
        if seen["user"] != self.user:
            return [f"{self.user}: the session is that of {seen['user']}"]
        for key, value in self.values.items():
            if seen["values"].get(key) not in {value, *self.perhaps.get(key, ())}:
                found.append(f"{self.user}: {key} is {seen['values'].get(key)}, and {value} was answered")
        strangers = [value for value in seen["values"].values() if not value.startswith(f"{self.user}-")]
        found += [f"{self.user}: has the value {value} of another user" for value in strangers]
        items = set(seen["items"])
        if not self.items <= items:
            found.append(f"{self.user}: items are missing: {sorted(self.items - items)}")
        if not items <= self.items | self.perhaps_items or len(items) != len(seen["items"]):
            found.append(f"{self.user}: items that nobody added, or twice: {seen['items']}")
        if not self.count <= seen["count"] <= self.count + self.perhaps_count:
            found.append(f"{self.user}: counted {seen['count']}, {self.count} were answered")
        return found


def _browser(address: str) -> httpx2.AsyncClient:
    # There is no https here, and reading the certificates of the machine takes longer than a request.
    return httpx2.AsyncClient(base_url=address, timeout=30.0, verify=False)


class Client:
    """One browser. Its sessions follow each other: it logs in, writes, logs out.

    Between two acts it waits for about `pause` seconds.
    """

    def __init__(self, name: str, address: str, tally: Tally, seed: int, *, pause: float) -> None:
        self.name = name
        self._pause = pause
        self.tally = tally
        self.address = address
        self._random = Random(seed)  # repeatable
        self._http = _browser(address)
        self._copy = _browser(address)
        self._number = 0
        self._known: Known | None = None
        self._socket: ClientConnection | None = None
        self.ended: list[str] = []
        """Cookies of sessions that have ended, as an answer said."""
        self.ending: list[ClientConnection] = []
        """Sockets of these sessions."""

    async def run(self, stopped: asyncio.Event) -> None:
        """Act until the end."""
        while not stopped.is_set():
            if self._known is None:
                await self._log_in()
                continue
            act = self._random.choices(
                (self._write, self._write_at_once, self._add, self._count, self._read, self._log_out, self._try_ended),
                (6, 4, 4, 4, 6, 1, 1),
            )[0]
            await act()
            await asyncio.sleep(self._random.random() * 2 * self._pause)

    async def finish(self) -> None:
        """Check everything once more, when nothing fails any longer."""
        if self._known is not None:
            await self._read()
        for cookie in self.ended:
            await self._check_ended(cookie)
        for socket in self.ending:
            try:
                await asyncio.wait_for(socket.wait_closed(), SOCKET_ENDS_WITHIN)
            except TimeoutError:
                self.tally.faults.append(f"{self.name}: a socket is open after the end of its session")
            await socket.close()
        if self._socket is not None:
            await self._socket.close()
        await self._http.aclose()
        await self._copy.aclose()

    async def _post(self, kind: str, path: str, **options: Any) -> httpx2.Response | None:
        """Send a request; return a response with the status 200 or 204, or `None` if it failed as it may."""
        try:
            response = await self._http.post(path, **options)
        except LOST:
            self.tally.lost += 1
            return None
        return self._checked(kind, response)

    def _checked(self, kind: str, response: httpx2.Response) -> httpx2.Response | None:
        if response.is_success:
            self.tally.answered[kind] += 1
            return response
        if response.status_code == 503:
            self.tally.unavailable += 1
        else:
            self.tally.faults.append(f"{self.name}: {kind} got {response.status_code}: {response.text[:200]}")
        return None

    async def _log_in(self) -> None:
        self._number += 1
        user = f"{self.name}.{self._number}"
        self._http.cookies.clear()
        if await self._post("login", f"/login/{user}") is not None:
            self._known = Known(user)
            await self._open_socket()

    async def _open_socket(self) -> None:
        headers = {"Cookie": f"kick.sid={self._http.cookies['kick.sid']}"}
        address = f"ws{self.address.removeprefix('http')}/socket"
        try:
            self._socket = await connect(address, additional_headers=headers, origin=self.address)  # type: ignore[arg-type]
        except (OSError, TimeoutError, WebSocketException):
            self.tally.lost += 1

    async def _write(self, key: str | None = None) -> None:
        known, key = self._session(), key or f"k{self._random.randrange(4)}"
        self._number += 1
        value = f"{known.user}-{self._number}"
        response = await self._post("write", "/set", json={"key": key, "value": value})
        if response is None:
            known.perhaps.setdefault(key, set()).add(value)
            return
        known.values[key], known.perhaps[key] = value, set()

    async def _write_at_once(self) -> None:
        await asyncio.gather(*(self._write(f"k{number}") for number in range(4)))

    async def _add(self) -> None:
        known = self._session()
        self._number += 1
        item = f"{known.user}-{self._number}"
        known.perhaps_items.add(item)
        if await self._post("modify", f"/add/{item}") is not None:
            known.items.add(item)

    async def _count(self) -> None:
        known = self._session()
        if await self._post("increment", "/count") is None:
            known.perhaps_count += 1
        else:
            known.count += 1

    async def _read(self) -> None:
        known = self._session()
        try:
            response = self._checked("read", await self._http.get("/read"))
        except LOST:
            self.tally.lost += 1
            return
        if response is not None:
            self.tally.faults += known.faults(response.json())

    async def _log_out(self) -> None:
        cookie = self._http.cookies.get("kick.sid")
        has_ended = await self._post("logout", "/logout") is not None and cookie is not None
        socket, self._socket, self._known = self._socket, None, None
        if has_ended and cookie is not None:
            self.ended.append(cookie)
        if socket is not None:
            await self._leave(socket, has_ended=has_ended)

    async def _leave(self, socket: ClientConnection, *, has_ended: bool) -> None:
        if has_ended:
            self.tally.answered["socket"] += 1
            self.ending.append(socket)
        else:
            await socket.close()

    async def _try_ended(self) -> None:
        if self.ended:
            await self._check_ended(self._random.choice(self.ended))

    async def _check_ended(self, cookie: str) -> None:
        self._copy.cookies.clear()
        self._copy.cookies.set("kick.sid", cookie)
        try:
            response = self._checked("ended", await self._copy.get("/read"))
        except LOST:
            self.tally.lost += 1
            return
        if response is not None and response.json()["user"] is not None:
            self.tally.faults.append(f"{self.name}: the session of {response.json()['user']} is alive after its end")

    def _session(self) -> Known:
        assert self._known is not None
        return self._known
