"""The work that is timed: one `Work` for each row of the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES

ORDER: Final = {"customer": "Ada Lovelace", "quantity": 3, "price": 9.5, "express": True}


@dataclass(frozen=True)
class Work:
    """A request, and the answer that everyone has to give.

    `variant` is the application that does it, `store` where its sessions are kept (`""` for work without sessions).
    `goal` is the ratio to raw ASGI that kick is to reach.
    """

    name: str
    title: str
    variant: str
    path: str
    answer: Any
    goal: float
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    media_type: str = "application/json"
    answer_headers: Mapping[str, str | None] = field(default_factory=dict)
    store: str = ""

    @property
    def with_sessions(self) -> bool:
        """Whether each connection has a session of its own."""
        return bool(self.store)


def _session(store: str, title: str, read: float, change: float) -> list[Work]:
    return [
        Work(f"{store}-{verb}", f"Session {past}, {title}", "session", f"/{verb}", {"user_id": 7}, goal, store=store)
        for verb, past, goal in (("read", "read", read), ("change", "changed", change))
    ]


ROWS: Final[tuple[Work, ...]] = (
    Work("json", "GET, JSON of a dict", "plain", "/json", {"hello": "world"}, 0.92),
    Work(
        "param",
        "GET, int path parameter, injected service",
        "plain",
        "/items/42",
        {"id": 42, "name": "a thing"},
        0.90,
    ),
    Work(
        "post",
        "POST, JSON into a validated type, JSON back",
        "plain",
        "/orders",
        ORDER,
        0.88,
        method="POST",
        headers={"Content-Type": "application/json"},
        body=json.dumps(ORDER).encode(),
    ),
    Work("routes", f"{ROUTES} routes, the last one", "routes", f"/route{ROUTES - 1}", {"route": ROUTES - 1}, 0.90),
    Work(
        "pipeline",
        "JSON, with request id, log, security headers, cookies",
        "pipeline",
        "/theme",
        {"theme": "dark"},
        0.75,
        headers={"Cookie": "theme=dark; language=en"},
        answer_headers={"x-request-id": None, "x-content-type-options": "nosniff"},
    ),
    Work(
        "stream",
        f"{len(CHUNK) * CHUNKS:,} bytes streamed in {CHUNKS} chunks",
        "plain",
        "/stream",
        (CHUNK * CHUNKS).decode(),
        0.85,
        media_type="text/plain",
    ),
    *_session("memory", "in memory", 0.70, 0.65),
    *_session("sqlite", "SQLite", 0.55, 0.33),
    *_session("redis", "Redis", 0.45, 0.30),
    *_session("postgres", "PostgreSQL", 0.30, 0.15),
)
"""In the order in which they are shown."""


def rows_named(words: str) -> list[Work]:
    """The rows whose names contain one of the words, which are separated by commas; all of them for none.

    >>> [row.name for row in rows_named("redis,json")]
    ['json', 'redis-read', 'redis-change']
    """
    wanted = [word for word in words.lower().split(",") if word]
    return [row for row in ROWS if not wanted or any(word in row.name for word in wanted)]
