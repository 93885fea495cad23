"""Every object of kick's that a user can hold: nothing secret is in it when it is returned, logged or pickled.

The objects are found by a walk through public attributes, and the public classes are taken from the packages. So a new
attribute or class is tested without being listed here.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import kick
from kick import (
    App,
    Controller,
    File,
    Form,
    KickError,
    Module,
    Post,
    RequestContext,
    Service,
    Sessions,
    UploadFile,
    bootstrap,
)
from kick.auth import LoginLimit, Passwords, authenticated, authentication, identity, login
from kick.di import Scopes
from kick.health import Health
from kick.http import (
    Description,
    FromBody,
    FromCookie,
    FromHeader,
    FromQuery,
    JinjaTemplates,
    ServerSentEvent,
    StaticFiles,
    TrustedProxies,
)
from kick.http.validation.encoding import encode_json
from kick.middleware import AccessLog, compression, conditional, cookie_parser, cors, rate_limit, request_id
from kick.openapi import OpenAPI
from kick.session import CookieOptions, SessionMiddleware, csrf, session
from kick.session.stores.postgres.errors import Trouble
from kick.telemetry import JSONFormatter, Metrics, RequestIdFilter, Tracing
from tests.http.support import ask

SECRETS = {
    "secret of the session": "secret of the session, at least thirty-two bytes",
    "secret of cookies": "secret of the cookies, at least thirty-two bytes",
    "authorization": "authorization-of-the-request",
    "cookie": "cookie-of-the-request",
    "value": "value-of-the-session",
    "flash": "flash-of-the-session",
    "file": "text-of-the-file",
}

MEANT: dict[str, set[str]] = {
    "SessionData": {"value"},
    "RequestSession": {"value"},
    "ContextSession": {"value"},
    "UploadFile": {"file"},
    "_Spool": {"file"},
}
"""The objects that have values of the user's, and shall give them."""

FORM = b'--b\r\nContent-Disposition: form-data; name="avatar"; filename="a.txt"\r\n\r\ntext-of-the-file\r\n--b--\r\n'
HEADERS = {
    "content-type": "multipart/form-data; boundary=b",
    "authorization": SECRETS["authorization"],
    "cookie": f"a={SECRETS['cookie']}",
    "sec-fetch-site": "same-origin",
}
HELD_BY_STORES = {"Record", "Change", "Claim"}
"""Their JSON is what stores are given. As text, they name keys only."""


@Service()
class Something:
    pass


class Walk:
    """Collects one object of each of kick's types, by public attributes."""

    def __init__(self) -> None:
        self.found: dict[type, tuple[str, Any]] = {}
        self.texts: dict[str, str] = {}
        self.encoded: dict[str, bytes] = {}
        self.pickled: dict[str, bytes] = {}

    def visit(self, value: Any, path: str, depth: int = 4) -> None:
        if not type(value).__module__.startswith("kick.") or type(value) in self.found or inspect.isclass(value):
            return
        name = type(value).__name__
        self.found[type(value)] = (path, value)
        self.texts[name] = f"{value!r} {value}"
        with Suppressed():
            self.encoded[name] = encode_json(value) + encode_json({"x": [value]})
        with Suppressed():
            self.pickled[name] = pickle.dumps(value)
        if depth:
            for attribute in sorted(each for each in dir(value) if not each.startswith("_")):
                with Suppressed():
                    for each in _each(getattr(value, attribute)):
                        self.visit(each, f"{path}.{attribute}", depth - 1)


class Suppressed:
    """What cannot be encoded or read tells nothing."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, Exception)


def _each(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | set | frozenset):
        yield from list(value)[:50]
    elif isinstance(value, Mapping) and not type(value).__module__.startswith("kick."):
        yield from list(value.values())[:50]
    else:
        yield value


@pytest.fixture(scope="module")
def walk() -> Walk:
    return Walk()


@pytest.fixture(scope="module")
async def held(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Walk from a context, its session, the application and values that users make themselves."""

    @Controller("")
    class Holding:
        def __init__(self, sessions: Sessions, something: Something, scopes: Scopes) -> None:
            self.sessions, self.something, self.scopes = sessions, something, scopes

        @Post("/x", files=File(max_size=1000))
        async def x(self, ctx: RequestContext, avatar: UploadFile) -> Any:
            await login(ctx, "u1")
            ctx.session.data["x"] = SECRETS["value"]
            await ctx.session.save()
            ctx.session.flash["x"] = SECRETS["flash"]
            SECRETS["session id"] = ctx.session.id
            for name, value in {"ctx": ctx, "request": ctx.request, "session": ctx.session}.items():
                walk.visit(value, name)
            walk.visit(ctx.request.session, "ctx.request.session")
            walk.visit(ctx.json({}), "ctx.json()")
            walk.visit(identity(ctx), "identity")
            walk.visit(avatar, "avatar")
            walk.visit(self.sessions, "sessions")
            walk.visit(self.scopes, "scopes")
            walk.visit((await self.sessions.of("u1"))[0], "info")
            walk.visit(app, "app")
            return ctx.json({})

    layers = [
        *(request_id(), cookie_parser(SECRETS["secret of cookies"])),
        session(SECRETS["secret of the session"], save_uninitialized=False, on_event=lambda e: walk.visit(e, "event")),
        *(csrf(), cors(allow_origins=["https://a.example"]), compression(), conditional(), rate_limit("9/minute")),
    ]
    app: App = bootstrap([Module("m", controllers=[Holding], mounts={"/files": StaticFiles(".")})], layers)
    answer = await ask(app, "/x", method="POST", body=FORM, headers=HEADERS)
    assert answer.status == 200, answer.text
    own = [
        *(
            FromBody(),
            FromCookie(),
            FromHeader(),
            FromQuery(),
            File(max_size=1),
            ServerSentEvent(data="x"),
            Form({"a": "b"}),
        ),
        *(Description(), OpenAPI()),
        *(Form({"a": "b"}), TrustedProxies(["192.0.2.0/24"]), AccessLog(), CookieOptions(), Passwords()),
        LoginLimit(secret=SECRETS["secret of the session"]),
        *(
            JSONFormatter(),
            RequestIdFilter(),
            Module("m"),
            Health(),
            Metrics(),
            Tracing(),
            authentication(),
            authenticated(),
        ),
        JinjaTemplates(tmp_path_factory.mktemp("templates")),
        SessionMiddleware(app, SECRETS["secret of the session"]),
        LoginLimit("10/hour", secret=SECRETS["secret of the session"]),
    ]
    for each in own:
        walk.visit(each, type(each).__name__)
    async with app.scope() as scope:
        walk.visit(scope, "scope")
    return walk


async def test_no_secret_is_in_what_is_returned_logged_or_pickled(held: Walk) -> None:
    leaks = []
    for found, texts in {"log": held.texts, "JSON": held.encoded, "pickle": held.pickled}.items():
        for name, text in texts.items():
            raw = text.encode() if isinstance(text, str) else text
            for secret, value in SECRETS.items():
                is_meant = secret in MEANT.get(name, ()) or (name in HELD_BY_STORES and found != "log")
                if value.encode() in raw and not is_meant:
                    leaks.append(f"{found} of {name}: {secret}")
    assert leaks == []


PACKAGES = ("kick", "kick.auth", "kick.di", "kick.http", "kick.middleware", "kick.session", "kick.telemetry")
NOT_HELD = {"MountedResponse": "only middleware of kick has it", "Socket": "see tests/http/websocket"}


def public_classes() -> Iterator[type]:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) and value.__module__.startswith("kick."):
                yield value


def is_protocol(kind: type) -> bool:
    return getattr(kind, "_is_protocol", False)


async def test_each_public_class_was_found(held: Walk) -> None:
    expected = {each for each in public_classes() if not (issubclass(each, Exception) or is_protocol(each))}
    missing = {each.__name__ for each in expected if not any(issubclass(found, each) for found in held.found)}
    assert missing == NOT_HELD.keys()


def exceptions() -> Iterator[type[Exception]]:
    """Every exception of the package."""
    for found in pkgutil.walk_packages(kick.__path__, "kick."):
        if found.name.startswith("kick.cli.templates") or found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == found.name:
                yield value


MADE: dict[str, Callable[[Any], Exception]] = {
    "KickError": lambda kind: kind("code", cause="The cause.", fix="The fix."),
    "SetupErrors": lambda kind: kind([KickError("code", cause="The cause.", fix="The fix.")]),
    "HTTPError": lambda kind: kind(418, "No coffee.", headers={"x-pot": "tea"}, pot="tea"),
    "MethodNotAllowed": lambda kind: kind(allow=["GET"]),
    "UnprocessableEntity": lambda kind: kind(errors=[{"location": "/body", "message": "No.", "code": "type"}]),
    "InvalidMessage": lambda kind: kind(1007, "No JSON."),
    "SocketClosed": lambda kind: kind(1001, "The tab was closed."),
    "SessionTooLarge": lambda kind: kind(2, 1, "cart"),
    "UnstorableValue": lambda kind: kind("data['x']", "a set"),
    "ResponseMismatch": lambda kind: kind("GET /notes", "the status 404 is not declared"),
    "LoginTooOld": lambda kind: kind(300),
    "DatabaseUnusable": lambda kind: kind(Path("sessions.db"), "it is a folder"),
    "Misfit": lambda kind: kind("str", "int", ["name"]),
    "DatabaseLocked": lambda kind: kind(Path("sessions.db"), 5.0),
    "PostgresTimeout": lambda kind: kind("answer", 1.0),
    "TableUnusable": lambda kind: kind("kick_sessions", Trouble.MISSING, "there is no such table"),
    **dict.fromkeys(("LoginRequired", "RoleMissing", "SessionChanged", "SessionEnded"), lambda kind: kind()),
}


@pytest.mark.parametrize("kind", sorted(exceptions(), key=str), ids=str)
def test_an_exception_can_be_pickled_and_copied(kind: type[Exception]) -> None:
    """An exception of a worker process reaches the one that waits for it as a pickle."""
    if kind.__name__ == "_Fixed":
        return
    error = MADE.get(kind.__name__, lambda kind: kind("The reason."))(kind)
    error.add_note("A note.")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301  # what the test itself has pickled
        assert type(again) is kind
        assert (str(again), repr(again.args)) == (str(error), repr(error.args))
        assert repr(vars(again)) == repr(vars(error))


@pytest.mark.parametrize(
    "name", ["RequestContext", "SharedRequest", "ContextSession", "Flash", "Reserved", "SessionState"]
)
async def test_an_object_of_a_request_says_why_it_cannot_be_pickled(held: Walk, name: str) -> None:
    (value,) = (value for kind, (_, value) in held.found.items() if kind.__name__ == name)
    with pytest.raises(TypeError, match=f"a {name} cannot be pickled: it belongs to a request"):
        pickle.dumps(value)
