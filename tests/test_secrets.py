"""Secrets, cookies and session ids appear nowhere: an application with everything on, and all that it lets out."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kick import Controller, Get, Module, Post, RequestContext, Session, bootstrap
from kick.errors import KickError
from kick.http import cookie_parser
from kick.middleware import AccessLog, request_id
from kick.session import MemoryStore, session
from kick.telemetry import Metrics, Tracing
from tests.http.support import Answer, ask

SECRET = "CANARY-session-secret-of-more-than-32-bytes"
COOKIE_SECRET = "CANARY-cookie-secret-of-more-than-32-bytes"
SENT = {
    "authorization": "Bearer CANARY-token",
    "proxy-authorization": "Basic CANARY-basic",
    "x-csrf-token": "CANARY-csrf",
}


class Credentials(msgspec.Struct):
    email: str
    age: int


class FailingStore(MemoryStore):
    """A memory that can be switched off."""

    down = False

    async def load(self, key: str) -> Any:
        if self.down:
            raise OSError("the store is down")
        return await super().load(key)


shown: list[str] = []


@Controller("/")
class Everything:
    @Post("/login")
    async def login(self, ctx: RequestContext) -> None:
        await ctx.session.regenerate()
        ctx.session.data["user"] = 7
        ctx.session.principal = "7"
        ctx.set_cookie("remember", "CANARY-remember", signed=True)

    @Post("/check")
    async def check(self, body: Credentials) -> None: ...

    @Get("/me")
    async def me(self, ctx: RequestContext) -> Any:
        everything = (ctx, ctx.session, ctx.settings, ctx.route)
        shown.append(" ".join(map(repr, everything)))
        return ctx.session.data["user"]

    @Get("/fail")
    async def fail(self, ctx: RequestContext) -> None:
        raise RuntimeError(f"failed for {ctx!r} with {ctx.session!r}")

    @Get("/late")
    async def late(self, ctx: RequestContext) -> None:
        kept: Session = ctx.session
        await kept.destroy()
        kept["late"] = 1


class Everywhere:
    """An application, and all that came out of it but its cookies."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.cookies: dict[str, str] = {}
        self.store = FailingStore()
        self.layers: list[Any] = [
            request_id(inbound=True),
            cookie_parser(COOKIE_SECRET),
            session(SECRET, store=self.store, rolling=True, on_event=lambda event: self.out.append(repr(event))),
        ]
        self.logs = [AccessLog("json", write=self.out.append), AccessLog("text", write=self.out.append)]
        modules = [Module("everything", controllers=[Everything]), Metrics(), Tracing()]
        self.apps = [
            bootstrap(modules, self.layers, trusted_proxies=1, allowed_hosts=["example.com"], access_log=log)
            for log in self.logs
        ]

    async def visit(self, path: str, **options: Any) -> Answer:
        answer = Answer()
        for app in self.apps:
            cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers = {**SENT, "cookie": f"theme=CANARY-theme; {cookie}", **options.pop("more", {})}
            answer = await ask(app, f"{path}?token=CANARY-query", headers=headers, **options)
            for each in answer.all("set-cookie"):
                name, _, value = each.partition(";")[0].partition("=")
                self.cookies[name] = value
            self.out.append(answer.text)
            self.out += [f"{name}: {value}" for name, value in answer.headers if name != "set-cookie"]
        return answer

    @property
    def canaries(self) -> set[str]:
        """What must not be found; the id and the signature of the session each by itself."""
        sid = self.cookies["kick.sid"].removeprefix("s:")
        return {"CANARY", *sid.split("."), self.cookies["remember"]}


async def test_nothing_secret_comes_out(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    site = Everywhere()
    await site.visit("/login", method="POST")
    known = site.canaries
    assert (await site.visit("/me")).json() == 7
    await site.visit("/check", method="POST", json={"email": "CANARY-body", "age": "CANARY-age"})
    await site.visit("/check", method="POST", body=b"{CANARY", more={"content-type": "application/json"})
    for path in ("/fail", "/nowhere"):
        await site.visit(path)
    site.store.down = True
    assert (await site.visit("/me")).status == 503
    site.store.down = False
    current = dict(site.cookies)
    site.cookies["kick.sid"] = "s:CANARY-forged.signature"
    await site.visit("/me")
    site.cookies = current
    known |= site.canaries
    await site.visit("/late")
    await site.visit("/me")
    await site.visit("/metrics")
    for app in site.apps:
        await app.aclose()
        site.out += [repr(app), repr(app.container), repr(app.settings)]
    for layer in site.layers:
        site.out += [repr(layer), *(repr(value) for value in vars(layer).values())]
    manager = site.layers[2].manager
    parts = (manager.options, manager.options.cookie, manager.operations, manager.store, site.store)
    site.out += [repr(each) for each in parts]
    site.out += [span.to_json() for span in exporter.get_finished_spans()]
    site.out += shown
    for record in caplog.records:
        site.out += [record.getMessage(), repr(record.args), logging.Formatter().format(record)]
    captured = capfd.readouterr()
    text = "\n".join([*site.out, captured.out, captured.err])
    for expected in ("/nowhere", "http_requests_total", "bad_signature", "http.route", "request_id", "Traceback"):
        assert expected in text  # all of it was listened to
    assert len(known) >= 4
    found = sorted(canary for canary in known if canary in text)
    assert found == [], [line[:300] for line in text.splitlines() if any(canary in line for canary in found)]


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: session("CANARY"),
        lambda: session(["CANARY", "CANARY" * 10]),
        lambda: cookie_parser("CANARY"),
        lambda: session(SECRET, store="mysql://user:CANARY@db/sessions"),
        lambda: session(SECRET, store="redis://user:CANARY@db:notaport/0"),
        lambda: session(SECRET, max_age=-1, cookie={"secret": 1}),
    ],
)
def test_mistakes_in_the_set_up_quote_no_secrets(mistake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    with pytest.raises(KickError) as caught:
        mistake()
    text = f"{caught.value}{caught.value!r}" + "".join(
        traceback.format_exception_only(caught.value)  # the lines of a trace quote this very file
    )
    assert re.search("CANARY", text) is None


def test_the_warning_of_a_short_former_secret_quotes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    with pytest.warns(UserWarning, match="6 bytes") as caught:
        session(["CANARY" * 10, "CANARY"])
    assert "CANARY" not in str(caught[0].message)
