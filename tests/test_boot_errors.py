"""Every mistake in set-up: what it says, and that the code in its fix, pasted where it belongs, mends it."""

import importlib
import pkgutil
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kick.http
from kick.auth import errors as auth_errors
from kick.di.errors import MissingProvider
from kick.errors import KickError, MissingExtra, SetupErrors, raise_all
from kick.http import errors as http_errors
from kick.http.templates import NoSuchFolder
from kick.session import errors as session_errors
from kick.signing import MissingSecret, WeakSecret
from tests.http.support import ask

ROOT = Path(__file__).parents[1]
SECRET = "a secret of at least thirty-two bytes"

HEADER = """\
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Annotated, Any
import msgspec
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from kick import *
from kick.http import cookie_parser
from kick.session import Sessions, session
secret = "a secret of at least thirty-two bytes"
"""


@dataclass
class Row:
    """A broken set-up, what its error says, and where the code of the fix goes.

    `mend` holds replacements in the source; `{0}`, `{1}` are the pieces of code in the fix, in their order, and
    `{0:options}` what is between the parentheses of one, where others are to stay.
    """

    error: type[KickError]
    broken: str
    cause: str
    mend: Mapping[str, str]
    answer: Any = "works"
    ask: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def __str__(self) -> str:
        return self.error.__name__ + (f"-{self.name}" if self.name else "")


def app(controller: str, bootstrap: str = "bootstrap(modules)") -> str:
    """The source of an application with one controller."""
    return (
        textwrap.dedent(controller).strip()
        + '\nmodules = [Module("app", controllers=[XController])]\n'
        + f"app = {bootstrap}\n"
    )


SIMPLE = """
@Controller("/x")
class XController:
    @Get()
    async def show(self) -> str:
        return "works"
"""

WITH_SESSION = """
@Controller("/x")
class XController:
    @Get()
    async def show(self, ctx: RequestContext) -> str:
        ctx.session.data["n"] = 1
        return "works"
"""


def handler(signature: str, decorator: str = "@Get()", before: str = "", body: str = 'return "works"') -> str:
    """The source of an application with one handler."""
    return app(f"{before}\n@Controller('/x')\nclass XController:\n    {decorator}\n    {signature}:\n        {body}")


def sessions(options: str) -> str:
    return app(WITH_SESSION, f"bootstrap(modules, middleware=[session({options})])")


GUARDED = """
@Controller("/x")
class XController:
    @Get()
    async def show(self) -> str:
        return "works"

    @Guard
    @Post()
    async def change(self) -> None: ...
"""


def auth_app(controller: str, bootstrap: str = "bootstrap(modules)") -> str:
    """The same with what `kick.auth` and `csrf` are imported from."""
    return "from kick.auth import *\nfrom kick.session import csrf\n" + app(controller, bootstrap)


OVER_SESSION = "bootstrap(modules, [session(secret=secret)])"

LOADER_BODY = "async def load_user() -> User | None: ..."
LOADER = f"""
class User: ...

class Users:
    async def find(self, user_id: int) -> User | None: ...

{LOADER_BODY}

"""

STORE = """
class Store:
    async def get(self, sid): return None
    async def set(self, sid, data, max_age): ...
"""

ROWS = [
    Row(
        http_errors.NotAModule,
        f"{SIMPLE}\napp = bootstrap([XController])",
        "was given XController, which is no Module",
        {"[XController])": "[{0}])"},
    ),
    Row(
        http_errors.NotAModule,
        f"{SIMPLE}\nmodule = Module('app', controllers=[XController])\napp = bootstrap(module)",
        "takes a list of modules, and was given Module('app')",
        {"bootstrap(module)": "bootstrap({0})"},
        name="no list",
    ),
    Row(
        http_errors.NotAModule,
        f"{SIMPLE}\napp = bootstrap([XController()])",
        "which is no Module",
        {"XController()": "{0}"},
        name="instance",
    ),
    Row(
        http_errors.NotAController,
        app(SIMPLE.replace('@Controller("/x")', "")),
        "Module 'app' lists XController",
        {"class XController": "{0}\nclass XController"},
    ),
    Row(
        http_errors.NotAController,
        app(SIMPLE).replace("[XController]", "[XController()]"),
        "as a controller, but it is not one",
        {'@Controller("/x")': "{0}", "XController()": "XController"},
        ask={"target": "/path"},
        name="instance",
    ),
    Row(
        http_errors.NotAHandler,
        handler("async def show(self, ctx: RequestContext)", body='yield "works"'),
        "XController.show()",
        {'yield "works"': "def chunks(): yield b'\"works\"'\n        return {0}"},
        name="generator",
    ),
    Row(
        http_errors.NotAHandler,
        handler("async def show(ctx: RequestContext)", "@staticmethod\n    @Get()"),
        "it is a staticmethod",
        {"@staticmethod\n    ": "", "async def show(ctx: RequestContext)": "{0}"},
        name="staticmethod",
    ),
    Row(
        http_errors.NotAHandler,
        handler("async def show()"),
        "it takes no self",
        {"async def show()": "{0}"},
        name="self",
    ),
    Row(
        http_errors.DecoratorNotCalled,
        handler("async def show(self)", "@Get"),
        "@Get stands over XController.show",
        {"@Get\n": "{0}\n"},
    ),
    Row(
        http_errors.DecoratorNotCalled,
        app(SIMPLE.replace('@Controller("/x")', "@Controller")),
        "@Controller stands over XController",
        {"@Controller\n": "{0}\n"},
        ask={"target": "/"},
        name="class",
    ),
    Row(
        http_errors.NotMiddleware,
        app(f"def timing(ctx, call_next): return call_next(ctx)\n{SIMPLE}", "bootstrap(modules, middleware=[timing])"),
        "timing is no middleware: it is not a coroutine function",
        {"def timing(ctx, call_next): return call_next(ctx)": "{0}"},
    ),
    Row(
        http_errors.NotMiddleware,
        app(
            "class Timing:\n    async def __call__(self, ctx, call_next): return await call_next(ctx)\n" + SIMPLE,
            "bootstrap(modules, middleware=[Timing])",
        ),
        "Timing is no middleware: it is a class",
        {"middleware=[Timing]": "{0}"},
        name="class",
    ),
    Row(
        http_errors.NotMiddleware,
        app(SIMPLE, "bootstrap(modules, middleware=[GZipMiddleware])"),
        "GZipMiddleware is no middleware: it is a class",
        {"middleware=[GZipMiddleware]": "{0}"},
        name="asgi",
    ),
    Row(
        http_errors.NotMiddleware,
        app(SIMPLE, "bootstrap(modules, middleware=[cookie_parser])"),
        "cookie_parser is no middleware",
        {"middleware=[cookie_parser]": "{0}"},
        name="factory",
    ),
    Row(
        http_errors.NotASGIMiddleware,
        app(SIMPLE, "bootstrap(modules, asgi_middleware=[GZipMiddleware])"),
        "was given GZipMiddleware as it is",
        {"[GZipMiddleware]": "[{0}]"},
    ),
    Row(
        http_errors.MiddlewareOrder,
        app(WITH_SESSION, "bootstrap(modules, middleware=[session(secret=secret), cookie_parser()])"),
        "cookie_parser() stands after session()",
        {"middleware=[session(secret=secret), cookie_parser()]": "{0}"},
    ),
    Row(
        http_errors.BadRoutePath,
        handler("async def show(self, user_id: int)", '@Get("/users/{user_id")'),
        "The path '/x/users/{user_id' of XController.show()",
        {'"/users/{user_id"': "{0}"},
        ask={"target": "/x/users/7"},
    ),
    Row(
        http_errors.BadRoutePath,
        handler("async def show(self, it: str)", '@Get("/{it:int}")'),
        "has {it:int}, but the handler takes it: str",
        {"{it:int}": "{0}"},
        ask={"target": "/x/7"},
        name="contradiction",
    ),
    Row(
        http_errors.DuplicateRoute,
        app(
            '@Controller()\nclass XController:\n    @Get("/x")\n    async def a(self): return "works"\n'
            '    @Get("/x")  # twice\n    async def b(self): return "b"'
        ),
        "GET /x has two handlers: XController.a() at",
        {'"/x")  # twice': '"{0}")'},
    ),
    Row(
        http_errors.SameName,
        app(
            '@Controller()\nclass XController:\n    @Get("/y")\n    async def get(self): return "y"\n'
            '    @Get("/x")\n    async def get(self): return "works"'
        ),
        "XController.get is defined twice, at source_0.py:17 and at source_0.py:19",
        {'get(self): return "works"': '{0}(self): return "works"'},
    ),
    Row(
        http_errors.ListedTwice,
        f"{SIMPLE}\napp = bootstrap([Module('a', controllers=[XController]), Module('b', controllers=[XController])])",
        "XController is listed by Module 'a' and by Module 'b'",
        {"Module('b', controllers=[XController])": "Module('b', {1}, controllers=[XController])"},
    ),
    Row(
        http_errors.ListedTwice,
        f"{SIMPLE}\napp = bootstrap([Module('a', controllers=[XController, XController])])",
        "XController is listed twice by Module 'a'",
        {"controllers=[XController, XController]": "{0}"},
        name="one module",
    ),
    Row(
        http_errors.NotAList,
        f"{SIMPLE}\napp = bootstrap([Module('app', controllers=XController)])",
        "controllers= of Module('app') takes a list, and was given XController",
        {"controllers=XController": "{0}"},
    ),
    Row(
        http_errors.NotAList,
        "class Clock: ...\nclass Real(Clock): ...\n"
        + app(SIMPLE.replace("(self)", "(self, clock: Clock)"), "bootstrap(modules, providers={Clock: Real})"),
        "providers= of bootstrap() takes a list",
        {"providers={Clock: Real}": "{0}"},
        name="mapping",
    ),
    *[
        Row(
            http_errors.NotAList,
            app(f"async def guard(ctx, call_next): return await call_next(ctx)\n{SIMPLE}").replace(old, new),
            f"middleware= of {owner} takes a list, and was given guard",
            {"middleware=guard": "{0}"},
            name=owner,
        )
        for old, new, owner in (
            ("bootstrap(modules)", "bootstrap(modules, middleware=guard)", "bootstrap()"),
            ("controllers=[XController]", "middleware=guard, controllers=[XController]", "Module('app')"),
        )
    ],
    Row(
        http_errors.PlainValue,
        "class Clock: ...\nclass Real(Clock): ...\n"
        + app(SIMPLE.replace("(self)", "(self, clock: Clock)"), "bootstrap(modules, providers=[{Clock: Real}])"),
        "providers=[...] of bootstrap() has a value of type dict",
        {"[{Clock: Real}]": "[{0}]"},
    ),
    Row(
        http_errors.PlainValue,
        app(SIMPLE).replace("controllers", 'providers=["sqlite://"], controllers'),
        "providers=[...] of Module('app') has a value of type str",
        {'["sqlite://"]': "[{0}]"},
        name="text",
    ),
    *[
        Row(
            MissingProvider,
            app(SIMPLE.replace("(self)", f"(self, {parameter})")),
            f"Nobody provides {parameter.partition(': ')[2]}:",
            mend,
            env={"SESSION_SECRET": SECRET},
            name=parameter,
        )
        for parameter, mend in {
            "sessions: Sessions": {"bootstrap(modules)": "bootstrap(modules, {0})"},
            "request: Request": {"request: Request": "{0}", 'return "works"': '{1}.method; return "works"'},
        }.items()
    ],
    Row(
        MissingProvider,
        app(SIMPLE.replace("(self)", "(self, session: Session)"), "bootstrap(modules, [session(secret=secret)])"),
        "Nobody provides Session:",
        {"session: Session)": "{0})", 'return "works"': '{1}.get("n"); return "works"'},
        name="session: Session",
    ),
    Row(
        http_errors.UnsupportedType,
        handler("async def show(self, query: list[int])"),
        "takes query: list",
        {"query: list[int]": "{0}"},
        name="query",
    ),
    Row(
        http_errors.BadRoutePath,
        handler("async def show(self, day: date)", '@Get("/{day}")', before="from datetime import date"),
        "has the parameter 'day' of type date",
        {"day: date": "{0}"},
        ask={"target": "/x/2026-01-01"},
        name="date",
    ),
    Row(
        http_errors.NotMiddleware,
        app(SIMPLE, "bootstrap(modules, middleware=[Middleware(GZipMiddleware, minimum_size=10)])"),
        "is no middleware: it cannot be called",
        {"middleware=[Middleware(GZipMiddleware, minimum_size=10)]": "{0}"},
        name="wrapped asgi",
    ),
    Row(
        http_errors.NotAHandler,
        handler("async def show(self, *args)"),
        "it takes *args",
        {"async def show(self, *args)": "{0}"},
        name="rest",
    ),
    Row(
        http_errors.ScalarParameter,
        handler("async def show(self, page: int = 1)"),
        "asks for page: int",
        {"page: int = 1)": "{1})", "@Controller('/x')": "{2}\n@Controller('/x')"},
        name="default",
    ),
    Row(
        http_errors.ScalarParameter,
        handler("async def show(self, tags: list[str] = [])"),
        "asks for tags: list[str]",
        {"tags: list[str] = [])": "{0})", "@Controller('/x')": "{1}\n@Controller('/x')"},
        name="list",
    ),
    Row(
        http_errors.DataParameter,
        handler("async def show(self, notes: list[Note])", "@Post()", before="class Note(msgspec.Struct): title: str"),
        "asks for notes: list[Note]",
        {"notes: list[Note]": "{0}"},
        ask={"method": "POST", "json": [{"title": "t"}]},
        name="list",
    ),
    Row(
        http_errors.BadStatus,
        handler("async def create(self)", "@Post(status=1)"),
        "XController.create() at",
        {"@Post(status=1)": "{0}"},
        ask={"method": "POST"},
    ),
    Row(
        http_errors.BadBodyLimit,
        app(SIMPLE, 'bootstrap(modules, max_body="10 MiB")'),
        "max_body='10 MiB' of bootstrap()",
        {'max_body="10 MiB"': "{0}"},
    ),
    Row(
        http_errors.BadBodyLimit,
        handler("async def show(self)", "@Get(max_body=-1)"),
        "max_body=-1 of XController.show()",
        {"max_body=-1": "{0}"},
        name="route",
    ),
    Row(
        http_errors.UnboundPathParameter,
        handler("async def show(self)", '@Get("/{name}")'),
        "has {name}, but XController.show()",
        {"show(self)": "show(self, {0})"},
        ask={"target": "/x/ada"},
    ),
    Row(
        http_errors.UntypedParameter,
        handler("async def show(self, thing)", before="@Service()\nclass YourService: ..."),
        "The parameter 'thing' of XController.show()",
        {"thing)": "{0})"},
    ),
    Row(
        http_errors.UntypedParameter,
        handler("async def show(self, c)", before="@Service()\nclass YourService: ..."),
        "The parameter 'c' of XController.show()",
        {"(self, c)": "(self, {1})"},
        name="context",
    ),
    Row(
        http_errors.ScalarParameter,
        handler("async def show(self, page: int)"),
        "XController.show() at source_0.py:17 asks for page: int",
        {"@Get()": '@Get("/{0}")'},
        ask={"target": "/x/7"},
        name="path",
    ),
    Row(
        http_errors.ScalarParameter,
        handler("async def show(self, page: int)"),
        "asks for page: int",
        {"page: int)": "{1})", "@Controller('/x')": "{2}\n@Controller('/x')"},
        ask={"target": "/x?page=7"},
        name="query",
    ),
    Row(
        http_errors.DataParameter,
        handler("async def show(self, note: Note)", "@Post()", before="class Note(msgspec.Struct): title: str"),
        "XController.show() at source_0.py:18 asks for note: Note",
        {"note: Note": "{0}"},
        ask={"method": "POST", "json": {"title": "t"}},
        name="body",
    ),
    Row(
        http_errors.DataParameter,
        handler("async def show(self, note: Note)", before="class Note(msgspec.Struct): title: str"),
        "asks for note: Note",
        {"note: Note": "{1}"},
        ask={"target": "/x?title=t"},
        name="query",
    ),
    Row(
        http_errors.UnsupportedType,
        handler("async def show(self, body: Thread)", "@Post()"),
        "takes body: Thread, which cannot be read from a request",
        {"body: Thread": "{0}"},
        ask={"method": "POST", "json": {"a": "b"}},
    ),
    Row(
        http_errors.BodyWithoutMethod,
        handler("async def show(self, body: dict[str, str])"),
        "the body of a GET request means nothing",
        {"@Get()": "{1}"},
        ask={"method": "POST", "json": {"a": "b"}},
    ),
    Row(
        http_errors.BodyWithoutMethod,
        handler("async def show(self, body: dict[str, str])", before="T = dict[str, str]"),
        "XController.show()",
        {"body: dict[str, str]": "{0}"},
        name="query",
    ),
    Row(
        http_errors.BodyOfStream,
        handler("async def show(self, body: bytes)", "@Post(stream=True)"),
        "XController.show()",
        {"body: bytes": "{0}", 'return "works"': 'return b"".join([each async for each in {1}]).decode()'},
        ask={"method": "POST", "body": b"works"},
    ),
    Row(
        http_errors.NoSession,
        app(WITH_SESSION),
        "GET /x uses ctx.session",
        {"bootstrap(modules)": "{0}"},
        env={"SESSION_SECRET": SECRET},
    ),
    Row(
        http_errors.NoSession,
        app(WITH_SESSION.replace("@Get()", "@Get(session=False)"), "bootstrap(modules, [session(secret=secret)])"),
        "GET /x uses ctx.session",
        {"session=False": "{0}"},
        name="switched off",
    ),
    Row(
        http_errors.NoTemplates,
        handler("async def show(self, ctx: RequestContext)", body='return ctx.render("works.html")'),
        "the application has no templates",
        {"bootstrap(modules)": "{0}"},
    ),
    Row(
        NoSuchFolder,
        handler("async def show(self, ctx: RequestContext)", body='return ctx.render("works.html")').replace(
            "bootstrap(modules)", 'bootstrap(modules, templates="pages")'
        ),
        "bootstrap(templates='pages'): there is no such folder",
        {'templates="pages"': "{0}"},
    ),
    Row(
        http_errors.NoCookieSecret,
        app(
            """
            @Controller("/x")
            class XController:
                @Get()
                async def show(self, ctx: RequestContext) -> str:
                    ctx.set_cookie("a", "b", signed=True)
                    return "works"
            """,
            "bootstrap(modules, middleware=[cookie_parser()])",
        ),
        "Signed cookies need a secret",
        {"cookie_parser()": "{0}"},
        env={"COOKIE_SECRET": SECRET},
    ),
    Row(MissingSecret, sessions(""), "session() has no secret", {"session()": "session({1})"}),
    Row(
        MissingSecret,
        app(SIMPLE, 'bootstrap(modules, middleware=[cookie_parser(secret="")])'),
        "cookie_parser() has no secret",
        {'secret=""': "{1}"},
        name="cookie_parser",
    ),
    Row(
        WeakSecret,
        sessions('secret="hunter2"'),
        "session() has a secret of 7 bytes",
        {'secret="hunter2"': "{1}"},
        env={"KICK_ENV": "production"},
    ),
    *[
        Row(
            session_errors.BadSessionCookie,
            app(SIMPLE, f"bootstrap(modules, middleware=[session(secret=secret, {options})])"),
            cause,
            {options: "{0}"},
            ask={"target": "/x"},
            name=options,
        )
        for options, cause in {
            'cookie_name="a b"': "the name 'a b' is not a token",
            'cookie={"path": "x"}': "the path 'x' does not start with /",
            'cookie={"domain": "a b"}': "the domain 'a b'",
            'cookie={"same_site": "Lax"}': "not 'Lax'",
            'cookie={"same_site": "none"}': "same_site='none' goes with secure=True only",
        }.items()
    ],
    *[
        Row(
            session_errors.BadSessionOption,
            sessions(f"secret=secret, {options}"),
            cause,
            {options: "{0:options}"},
            name=options,
        )
        for options, cause in {
            "max_age=0": "session(max_age=0)",
            "rotate_after='soon'": "session(rotate_after='soon')",
            "on_store_error='ignore'": "session(on_store_error='ignore')",
            "cookie={'colour': 'red'}": "'colour': 'red'",
        }.items()
    ],
    Row(
        session_errors.UnknownStore,
        sessions('secret=secret, store="mongodb://x"'),
        "store='mongodb://...') is no store",
        {'store="mongodb://x"': "{0:options}"},
    ),
    Row(
        session_errors.MissingStoreMethod,
        f"{STORE}\n{sessions('secret=secret, store=Store()')}",
        "Store has no coroutine method 'destroy'",
        {"async def get(self, sid)": "{0}: ...\n    async def get(self, sid)"},
    ),
    Row(
        session_errors.NeedsSession,
        auth_app(SIMPLE, "bootstrap(modules, middleware=[csrf()])"),
        "csrf() works over the session, and there is no session()",
        {"middleware=[csrf()]": "{0}"},
        name="csrf",
    ),
    Row(
        http_errors.MiddlewareOrder,
        auth_app(SIMPLE, "bootstrap(modules, middleware=[csrf(), session(secret=secret)])"),
        "csrf() stands before session()",
        {"middleware=[csrf(), session(secret=secret)]": "{0}"},
        name="csrf",
    ),
    Row(
        session_errors.BadTrustedOrigin,
        auth_app(
            SIMPLE, 'bootstrap(modules, [session(secret=secret), csrf(trusted_origins=["https://Example.com/"])])'
        ),
        "csrf(trusted_origins=['https://Example.com/']) is no origin",
        {'trusted_origins=["https://Example.com/"]': "{0}"},
    ),
    *[
        Row(
            session_errors.NeedsSession,
            auth_app(GUARDED.replace("@Guard", guard)),
            f"{guard.partition('(')[0]} works over the session, and there is no session()",
            {"bootstrap(modules)": "bootstrap(modules, {0})"},
            name=guard,
        )
        for guard in ("@Authenticated()", '@Roles("admin")')
    ],
    Row(
        session_errors.NeedsSession,
        auth_app(
            GUARDED.replace("@Guard", "@Authenticated").replace("@Post()", "@Post(session=False)"),
            OVER_SESSION,
        ),
        "@Authenticated works over the session, which is switched off for POST /x",
        {"session=False": "{0}"},
        name="switched off",
    ),
    Row(
        session_errors.NeedsSession,
        auth_app(SIMPLE, "bootstrap(modules, middleware=[authentication()])"),
        "authentication() works over the session",
        {"middleware=[authentication()]": "{0}"},
        name="authentication",
    ),
    Row(
        auth_errors.BadMaxAge,
        auth_app(GUARDED.replace("@Guard", "@Authenticated(max_age=0)"), OVER_SESSION),
        "@Authenticated(max_age=0): expected a timedelta",
        {"@Authenticated(max_age=0)": "{0}"},
    ),
    *[
        Row(
            auth_errors.BadRoles,
            auth_app(GUARDED.replace("@Guard", f"@Roles({given})"), OVER_SESSION),
            f"@Roles was given {shown}",
            {f"@Roles({given})": "{0}"},
            name=given,
        )
        for given, shown in {"": "'nothing'", '["admin"]': "[['admin']]"}.items()
    ],
    Row(
        auth_errors.BadLoginPage,
        auth_app(
            GUARDED.replace("@Guard", '@Authenticated(login_page="https://example.com/login")'),
            OVER_SESSION,
        ),
        "login_page='https://example.com/login' is no path of this site",
        {'login_page="https://example.com/login"': "{0}"},
    ),
    Row(
        auth_errors.BadLoader,
        LOADER
        + auth_app(
            SIMPLE, "bootstrap(modules, [session(secret=secret), authentication(load_user)], providers=[Users])"
        ),
        "authentication(load_user): it does not take the id of a user",
        {LOADER_BODY: "{0}"},
    ),
    Row(
        auth_errors.BadPasswordOption,
        auth_app(SIMPLE, "bootstrap(modules, providers=[Passwords(memory='64 MiB')])"),
        "Passwords(memory='64 MiB'): expected a whole number above 0",
        {"Passwords(memory='64 MiB')": "{0}"},
    ),
    Row(
        session_errors.StoreCannotFind,
        f"{STORE}\n    async def destroy(self, sid): ...\n"
        + app(
            SIMPLE.replace("show(self)", "show(self, sessions: Sessions)").replace(
                'return "works"', 'return "works" if await sessions.of("ada") == [] else "no"'
            ),
            "bootstrap(modules, [session(secret=secret, store=Store())])",
        ),
        "cannot find sessions by principal",
        {"store=Store()": "{0:options}"},
    ),
]

ELSEWHERE = {KickError, SetupErrors, MissingExtra}
"""Those that have tests of their own below."""

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Runs the source of an application as a module; it lies in a folder of its own, beside `templates`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "works.html").write_text('"works"')

    def run(source: str) -> ModuleType:
        path = tmp_path / f"source_{len([*tmp_path.glob('*.py')])}.py"
        path.write_text(HEADER + source)
        module = ModuleType(path.stem)
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, path.stem, module)
        exec(compile(path.read_text(), path, "exec", dont_inherit=True), module.__dict__)
        return module

    return run


async def raised_by(source: str, row: Row, load: Load, caplog: pytest.LogCaptureFixture) -> KickError:
    """What a broken set-up raises: when it is loaded, or, where that cannot be known before, at its first request."""
    try:
        broken = load(source).app
    except SetupErrors as several:
        return next(each for each in several.problems if isinstance(each, row.error))
    except KickError as error:
        return error
    assert (await ask(broken, **{"target": "/x", **row.ask})).status == 500
    error = caplog.records[-1].exc_info
    assert error is not None
    assert isinstance(error[1], KickError)
    return error[1]


def mended(row: Row, problem: KickError) -> str:
    """The source with the code of the fix pasted in."""
    code = re.findall(r"`([^`]+)`", problem.fix)
    places = {f"{{{index}}}": piece for index, piece in enumerate(code)}
    places |= {f"{{{index}:options}}": piece[piece.find("(") + 1 : -1] for index, piece in enumerate(code)}
    source, pasted = row.broken, 0
    for old, new in row.mend.items():
        assert old in source, old
        for place, piece in places.items():
            pasted += new.count(place)
            new = new.replace(place, piece)
        source = source.replace(old, new)
    assert pasted, code
    return source


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_mistake_is_named_and_its_fix_mends_it(
    row: Row, load: Load, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SESSION_SECRET": SECRET, "KICK_ENV": "", **row.env}.items():
        monkeypatch.setenv(name, value)
    problem = await raised_by(row.broken, row, load, caplog)
    assert type(problem) is row.error
    assert problem.code == row.error.code != KickError.code
    assert row.cause in problem.cause
    assert str(problem) == f"[{problem.code}] {problem.cause}\n  Fix: {problem.fix}"
    application = load(mended(row, problem)).app
    answer = await ask(application, **{"target": "/x", **row.ask})
    assert answer.status in (200, 201), answer.text
    assert answer.json() == row.answer
    await application.aclose()


def family(error: type[KickError]) -> Iterator[type[KickError]]:
    yield error
    for each in error.__subclasses__():
        yield from family(each)


def test_every_mistake_has_its_row() -> None:
    for module in pkgutil.walk_packages(kick.http.__path__, "kick.http."):
        importlib.import_module(module.name)
    here = ("kick.http", "kick.errors", "kick.signing", "kick.session.errors", "kick.auth")
    known = {each for each in family(KickError) if each.__module__.startswith(here)}
    assert known - {row.error for row in ROWS} - ELSEWHERE == set()


def test_codes_are_different() -> None:
    codes: dict[str, set[type[KickError]]] = {}
    for each in family(KickError):
        codes.setdefault(each.code, set()).add(each)
    shared = {code: kinds for code, kinds in codes.items() if len({kind.__name__ for kind in kinds}) > 1}
    assert shared == {}


def test_kick_secret_draws_one_that_is_long_enough(load: Load) -> None:
    command = re.findall(r"`([^`]+)`", MissingSecret("session()").fix)[0].split()
    assert command[0] == "kick"
    drawn = subprocess.run(
        [sys.executable, "-m", "kick.cli", *command[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    assert load(f"app = bootstrap([], [session(secret={drawn.partition('=')[2] or drawn!r})])").app


# Several at once


def test_mistakes_of_every_kind_are_reported_together(load: Load) -> None:
    source = """
class Missing: ...

class Plain: ...

@Controller("/x")
class XController:
    def __init__(self, missing: Missing) -> None: ...
    @Get("/{a}/{a}")
    async def path(self, a: str) -> None: ...
    @Post("/b")
    async def untyped(self, thing) -> None: ...

app = bootstrap(
    [Module("app", controllers=[XController, Plain]), XController],
    [session(secret=secret), cookie_parser(), print],
    asgi_middleware=[GZipMiddleware],
    templates="nowhere",
    max_body=-1,
)
"""
    with pytest.raises(SetupErrors) as caught:
        load(source)
    codes = [problem.code for problem in caught.value.problems]
    assert sorted(codes) == sorted(
        [
            "module-missing",
            "middleware-asgi",
            "body-limit",
            "templates-folder",
            "middleware-signature",
            "controller-missing",
            "route-path",
            "middleware-order",
            "handler-untyped",
            "di-missing-provider",
        ]
    )
    text = str(caught.value)
    assert text.startswith("10 mistakes in the set-up.\n1. [")
    assert all(problem.fix in text for problem in caught.value.problems)


def test_one_mistake_is_raised_as_itself() -> None:
    problem = MissingSecret("session()")
    with pytest.raises(MissingSecret) as caught:
        raise_all([problem])
    assert caught.value is problem


# Extras


def command_of(problem: str, extra: str, package: str) -> None:
    """The extra that a message names is one of the project's, and brings the package."""
    (command,) = re.findall(r"`([^`]+)`", problem)
    assert command == f"pip install 'kick-framework[{extra}]'"
    assert re.search(rf'^{extra} = \["{package}', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_templates_without_jinja2_say_what_to_install(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    source = 'app = bootstrap([], templates="templates")'
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "jinja2", None)
        with pytest.raises(MissingExtra, match="'jinja2'") as caught:
            load(source)
    command_of(caught.value.fix, "templates", "jinja2")
    assert load(source).app


@pytest.mark.parametrize("parameter", ["ctx: RequestContext", "body: dict[str, str]"])
async def test_a_multipart_form_without_python_multipart_is_a_415_and_one_line_says_what_to_install(
    parameter: str, load: Load, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = load(handler(f"async def show(self, {parameter})", "@Post()")).app
    body = b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nworks\r\n--xx--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=xx"}
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "python_multipart", None)
        answer = await ask(app, "/x", method="POST", body=body, headers=headers)
        other = await ask(app, "/x", method="POST", body=b"a: 1", headers={"content-type": "application/yaml"})
    assert answer.status == 415
    assert answer.json()["detail"].startswith("This server does not read multipart forms")
    assert answer.header("accept") == "application/json, application/x-www-form-urlencoded"
    assert "multipart" not in other.text
    (record,) = caplog.records
    assert record.exc_info is None
    assert "\n" not in record.getMessage()
    command_of(record.getMessage(), "uploads", "python-multipart")
    assert (await ask(app, "/x", method="POST", body=body, headers=headers)).json() == "works"
