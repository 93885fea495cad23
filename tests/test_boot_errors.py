"""Every mistake in set-up: what it says, and that the code in its fix, pasted where it belongs, mends it."""

import re
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement

from kick.errors import KickError, SetupErrors, raise_all
from kick.signing import missing_secret
from tests.http.support import ask
from tests.support.setup_errors import codes_in, raises_code

ROOT = Path(__file__).parents[1]
SECRET = "a secret of at least thirty-two bytes"

HEADER = """\
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, Generic, TypeVar
import msgspec
from kick import *
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from kick.http import StaticFiles, cookie_parser
from kick.session import Sessions, session
secret = "a secret of at least thirty-two bytes"
"""


@dataclass
class Row:
    """A broken set-up, what its error says, and where the code of the fix goes.

    `mend` holds replacements in the source; `{0}`, `{1}` are the pieces of code in the fix, in their order, and
    `{0:options}` what is between the parentheses of one, where others are to stay.
    """

    code: str
    broken: str
    cause: str
    mend: Mapping[str, str]
    answer: Any = "works"
    ask: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def __str__(self) -> str:
        return self.code + (f"-{self.name}" if self.name else "")


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

TAKES_USERS = """
@Controller("/x")
class XController:
    def __init__(self, users: Users) -> None:
        self.users = users
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


def socket(signature: str, decorator: str = '@WebSocket("/socket")', before: str = "") -> str:
    """The source of an application with a handler of a WebSocket, beside one of requests."""
    return app(
        f"{before}\n@Controller('/x')\nclass XController:\n    @Get()\n    async def show(self):\n"
        f'        return "works"\n    {decorator}\n    {signature}: ...'
    )


def sessions(options: str) -> str:
    return app(WITH_SESSION, f"bootstrap(modules, middleware=[session({options})])")


OTHER = """
from a2wsgi import WSGIMiddleware
class Other:
    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'"works"'})
app = Other()
def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b'"works"']
"""

OPERATORS = """
from kick.http import TrustedProxies
from kick.middleware import request_id
"""


def layered(layer: str) -> str:
    """The source of an application with a middleware that comes with kick."""
    return "from kick.middleware import *\n" + app(SIMPLE, f"bootstrap(modules, middleware=[{layer}])")


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
        "module-missing",
        f"{SIMPLE}\napp = bootstrap([XController])",
        "was given XController, which is no Module",
        {"[XController])": "[{0}])"},
    ),
    Row(
        "module-missing",
        f"{SIMPLE}\nmodule = Module('app', controllers=[XController])\napp = bootstrap(module)",
        "takes a list of modules, and was given Module('app')",
        {"bootstrap(module)": "bootstrap({0})"},
        name="no list",
    ),
    Row(
        "module-missing",
        f"{SIMPLE}\napp = bootstrap([XController()])",
        "which is no Module",
        {"XController()": "{0}"},
        name="instance",
    ),
    Row(
        "controller-missing",
        app(SIMPLE.replace('@Controller("/x")', "")),
        "Module 'app' lists XController",
        {"class XController": "{0}\nclass XController"},
    ),
    Row(
        "controller-missing",
        app(SIMPLE).replace("[XController]", "[XController()]"),
        "as a controller, but it is not one",
        {'@Controller("/x")': "{0}", "XController()": "XController"},
        ask={"target": "/path"},
        name="instance",
    ),
    Row(
        "handler-kind",
        handler("async def show(self, ctx: RequestContext)", body='yield "works"'),
        "XController.show()",
        {'yield "works"': "def chunks(): yield b'\"works\"'\n        return {0}"},
        name="generator",
    ),
    Row(
        "handler-kind",
        handler("async def show(ctx: RequestContext)", "@staticmethod\n    @Get()"),
        "it is a staticmethod",
        {"@staticmethod\n    ": "", "async def show(ctx: RequestContext)": "{0}"},
        name="staticmethod",
    ),
    Row(
        "handler-kind",
        handler("async def show()"),
        "it takes no self",
        {"async def show()": "{0}"},
        name="self",
    ),
    Row(
        "decorator-not-called",
        handler("async def show(self)", "@Get"),
        "@Get is written without parentheses on XController.show",
        {"@Get\n": "{0}\n"},
    ),
    Row(
        "decorator-not-called",
        app(SIMPLE.replace('@Controller("/x")', "@Controller")),
        "@Controller is written without parentheses on XController",
        {"@Controller\n": "{0}\n"},
        ask={"target": "/"},
        name="class",
    ),
    Row(
        "middleware-signature",
        app(f"def timing(ctx, call_next): return call_next(ctx)\n{SIMPLE}", "bootstrap(modules, middleware=[timing])"),
        "timing is no middleware: it is not a coroutine function",
        {"def timing(ctx, call_next): return call_next(ctx)": "{0}"},
    ),
    Row(
        "middleware-signature",
        app(
            "class Timing:\n    async def __call__(self, ctx, call_next): return await call_next(ctx)\n" + SIMPLE,
            "bootstrap(modules, middleware=[Timing])",
        ),
        "Timing is no middleware: it is a class",
        {"middleware=[Timing]": "{0}"},
        name="class",
    ),
    Row(
        "middleware-signature",
        app(SIMPLE, "bootstrap(modules, middleware=[GZipMiddleware])"),
        "GZipMiddleware is no middleware: it is a class",
        {"middleware=[GZipMiddleware]": "{0}"},
        name="asgi",
    ),
    Row(
        "middleware-signature",
        app(SIMPLE, "bootstrap(modules, middleware=[cookie_parser])"),
        "cookie_parser is no middleware",
        {"middleware=[cookie_parser]": "{0}"},
        name="factory",
    ),
    Row(
        "middleware-asgi",
        app(SIMPLE, "bootstrap(modules, asgi_middleware=[GZipMiddleware])"),
        "was given GZipMiddleware as it is",
        {"[GZipMiddleware]": "[{0}]"},
    ),
    Row(
        "middleware-order",
        app(WITH_SESSION, "bootstrap(modules, middleware=[session(secret=secret), cookie_parser()])"),
        "cookie_parser() is listed after session()",
        {"middleware=[session(secret=secret), cookie_parser()]": "{0}"},
    ),
    Row(
        "route-path",
        handler("async def show(self, user_id: int)", '@Get("/users/{user_id")'),
        "The path '/x/users/{user_id' of XController.show()",
        {'"/users/{user_id"': "{0}"},
        ask={"target": "/x/users/7"},
    ),
    Row(
        "route-path",
        handler("async def show(self, it: str)", '@Get("/{it:int}")'),
        "has {it:int}, but the handler takes it: str",
        {"{it:int}": "{0}"},
        ask={"target": "/x/7"},
        name="contradiction",
    ),
    Row(
        "route-duplicate",
        app(
            '@Controller()\nclass XController:\n    @Get("/x")\n    async def a(self): return "works"\n'
            '    @Get("/x")  # twice\n    async def b(self): return "b"'
        ),
        "GET /x has two handlers: XController.a() at",
        {'"/x")  # twice': '"{0}")'},
    ),
    Row(
        "handler-twice",
        app(
            '@Controller()\nclass XController:\n    @Get("/y")\n    async def get(self): return "y"\n'
            '    @Get("/x")\n    async def get(self): return "works"'
        ),
        "XController.get is defined twice, at source_0.py:17 and at source_0.py:19",
        {'get(self): return "works"': '{0}(self): return "works"'},
    ),
    Row(
        "response-type",
        app(SIMPLE.replace("@Get()", "@Get(response={200: str})")),
        "response={200: <class 'str'>} of XController",
        {"response={200: str}": "{0}"},
    ),
    Row(
        "response-type",
        app(SIMPLE.replace("@Get()", "@Get(response=[str])").replace('"works"', '["works"]')),
        "response=[<class 'str'>] of XController",
        {"response=[str]": "{0}"},
        ["works"],
        name="list",
    ),
    Row(
        "decorator-hides",
        app(
            "import functools\n\ndef timed(function):\n    async def wrapper(self): return await function(self)\n"
            "    return wrapper\n\n"
            '@Controller()\nclass XController:\n    @timed\n    @Get("/x")\n    async def get(self): return "works"'
        ),
        "a decorator of XController.get returns a function of its own, at source_0.py:18, which has lost the routes",
        {"    async def wrapper": "    {0}\n    async def wrapper"},
    ),
    Row(
        "controller-twice",
        f"{SIMPLE}\napp = bootstrap([Module('a', controllers=[XController]), Module('b', controllers=[XController])])",
        "XController is listed by Module 'a' and by Module 'b'",
        {"Module('b', controllers=[XController])": "Module('b', {1}, controllers=[XController])"},
    ),
    Row(
        "controller-twice",
        f"{SIMPLE}\napp = bootstrap([Module('a', controllers=[XController, XController])])",
        "XController is listed twice by Module 'a'",
        {"controllers=[XController, XController]": "{0}"},
        name="one module",
    ),
    *[
        Row(
            "module-option",
            f"{SIMPLE}\nshop = Module('shop', controllers=[XController])\n"
            f"app = bootstrap([shop, Module('app', {option}=[shop])])",
            f"there is no {option}=",
            {f"Module('app', {option}=[shop])": "{0}"},
            name=option,
        )
        for option in ("imports", "exports")
    ],
    Row(
        "list-missing",
        f"{SIMPLE}\napp = bootstrap([Module('app', controllers=XController)])",
        "controllers= of Module('app') takes a list, and was given XController",
        {"controllers=XController": "{0}"},
    ),
    Row(
        "list-missing",
        "class Clock: ...\nclass Real(Clock): ...\n"
        + app(SIMPLE.replace("(self)", "(self, clock: Clock)"), "bootstrap(modules, providers={Clock: Real})"),
        "providers= of bootstrap() takes a list",
        {"providers={Clock: Real}": "{0}"},
        name="mapping",
    ),
    *[
        Row(
            "list-missing",
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
        "provider-plain",
        "class Clock: ...\nclass Real(Clock): ...\n"
        + app(SIMPLE.replace("(self)", "(self, clock: Clock)"), "bootstrap(modules, providers=[{Clock: Real}])"),
        "providers=[...] of bootstrap() has a value of type dict",
        {"[{Clock: Real}]": "[{0}]"},
    ),
    Row(
        "provider-plain",
        app(SIMPLE).replace("controllers", 'providers=["sqlite://"], controllers'),
        "providers=[...] of Module('app') has a value of type str",
        {'["sqlite://"]': "[{0}]"},
        name="text",
    ),
    *[
        Row(
            "di-missing-provider",
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
        "di-missing-provider",
        app(SIMPLE.replace("(self)", "(self, session: Session)"), "bootstrap(modules, [session(secret=secret)])"),
        "Nobody provides Session:",
        {"session: Session)": "{0})", 'return "works"': '{1}.get("n"); return "works"'},
        name="session: Session",
    ),
    Row(
        "handler-type",
        handler("async def show(self, query: list[int])"),
        "takes query: list",
        {"query: list[int]": "{0}"},
        name="query",
    ),
    Row(
        "route-path",
        handler("async def show(self, price: Decimal)", '@Get("/{price}")', before="from decimal import Decimal"),
        "has the parameter 'price' of type Decimal",
        {"price: Decimal": "{0}"},
        ask={"target": "/x/9.50"},
        name="decimal",
    ),
    Row(
        "middleware-signature",
        app(SIMPLE, "bootstrap(modules, middleware=[Middleware(GZipMiddleware, minimum_size=10)])"),
        "is no middleware: it cannot be called",
        {"middleware=[Middleware(GZipMiddleware, minimum_size=10)]": "{0}"},
        name="wrapped asgi",
    ),
    Row(
        "handler-kind",
        handler("async def show(self, *args)"),
        "it takes *args",
        {"async def show(self, *args)": "{0}"},
        name="rest",
    ),
    Row(
        "handler-scalar",
        handler("async def show(self, page: int = 1)"),
        "asks for page: int",
        {"page: int = 1)": "{1})", "@Controller('/x')": "{2}\n@Controller('/x')"},
        ask={"target": "/x?page=7"},
        name="default",
    ),
    Row(
        "handler-scalar",
        handler("async def show(self, tags: list[str] = [])"),
        "asks for tags: list[str]",
        {"tags: list[str] = [])": "{0})", "@Controller('/x')": "{1}\n@Controller('/x')"},
        name="list",
    ),
    Row(
        "handler-data",
        handler("async def show(self, notes: list[Note])", "@Post()", before="class Note(msgspec.Struct): title: str"),
        "asks for notes: list[Note]",
        {"notes: list[Note]": "{0}"},
        ask={"method": "POST", "json": [{"title": "t"}]},
        name="list",
    ),
    Row(
        "route-status",
        handler("async def create(self)", "@Post(status=1)"),
        "XController.create() at",
        {"@Post(status=1)": "{0}"},
        ask={"method": "POST"},
    ),
    Row(
        "route-path-errors",
        handler("async def create(self)", "@Post(path_errors=400)"),
        "has path_errors=400",
        {"@Post(path_errors=400)": "{0}"},
        ask={"method": "POST"},
    ),
    Row(
        "handler-bodies",
        handler("async def create(self, item: Body[dict[str, int]], also: Body[dict[str, int]])", "@Post()"),
        "takes the body as item and as also",
        {"item: Body[dict[str, int]], also: Body[dict[str, int]]": "{0}"},
        ask={"method": "POST", "json": {"a": 1}},
    ),
    Row(
        "body-limit",
        app(SIMPLE, 'bootstrap(modules, max_body="10 MiB")'),
        "max_body='10 MiB' of bootstrap()",
        {'max_body="10 MiB"': "{0}"},
    ),
    Row(
        "body-limit",
        handler("async def show(self)", "@Get(max_body=-1)"),
        "max_body=-1 of XController.show()",
        {"max_body=-1": "{0}"},
        name="route",
    ),
    *[
        Row(
            error,
            f"{OPERATORS}\n{app(SIMPLE, f'bootstrap(modules, {broken})')}",
            cause,
            {broken: fixed},
            name=broken,
        )
        for error, broken, cause, fixed in [
            ("trusted-proxies", "trusted_proxies=-1", "trusted_proxies=-1 is neither", "{0}"),
            ("trusted-proxies", "trusted_proxies='10.0.0.0/8'", "trusted_proxies='10.0.0.0/8' is neither", "{1}"),
            ("trusted-proxies", "trusted_proxies=['nginx']", "trusted_proxies=['nginx'] is neither", "{1}"),
            (
                "trusted-proxies-headers",
                "trusted_proxies=TrustedProxies(1, headers='all')",
                "TrustedProxies(headers='all')",
                "trusted_proxies={0}",
            ),
            ("allowed-host", "allowed_hosts=['https://example.com']", "has 'https://example.com'", "{0}"),
            ("allowed-host", "allowed_hosts=['example.com:80']", "has 'example.com:80'", "{0}"),
            ("allowed-host", "allowed_hosts=['*']", "has '*'", "{0}"),
            ("allowed-host", "allowed_hosts=['']", "has ''", "{0}"),
            ("access-log", "access_log='xml'", "access_log='xml' is not a format", "{0}"),
            ("access-log", "access_log=3", "access_log=3 is not a format", "{1}"),
            ("request-id-header", "middleware=[request_id(header='X Id')]", "header='X Id'", "middleware=[{0}]"),
        ]
    ],
    Row(
        "file-limit",
        handler("async def show(self, a: Annotated[UploadFile | None, File(max_size='5 MB')] = None)", "@Post()"),
        "File(max_size='5 MB') is no number of bytes",
        {"File(max_size='5 MB')": "{0}"},
        ask={"method": "POST"},
    ),
    Row(
        "file-limit",
        handler("async def show(self, ctx: RequestContext)", "@Post(files=File(types='image/png'))"),
        "File(types='image/png') is no list of media types",
        {"File(types='image/png')": "{0}"},
        ask={"method": "POST"},
        name="types",
    ),
    Row(
        "file-limit",
        handler("async def show(self, ctx: RequestContext)", "@Post(files=File(max_files=True))"),
        "File(max_files=True) is no number of files",
        {"File(max_files=True)": "{0}"},
        ask={"method": "POST"},
        name="files",
    ),
    Row(
        "file-limit",
        handler("async def show(self, ctx: RequestContext)", "@Post(files=5)"),
        "files=5 of XController.show()",
        {"files=5": "{0}"},
        ask={"method": "POST"},
        name="option",
    ),
    Row(
        "handler-type",
        handler(
            "async def show(self, body: Outer)",
            "@Post()",
            before="class Inner(msgspec.Struct):\n    a: UploadFile\nclass Outer(msgspec.Struct):\n    inner: Inner",
        ),
        "its field 'inner' has files within it, and a form has them at its top only",
        {"body: Outer": "{0}"},
        ask={"method": "POST", "json": {"a": "b"}},
        name="files-within",
    ),
    Row(
        "handler-type",
        handler(
            "async def show(self, body: Note)",
            "@Post()",
            before="class Note(msgspec.Struct):\n    title: Annotated[str, File(max_size=5)]",
        ),
        "File(...) is for files, and its field 'title' is none",
        {"body: Note": "{0}"},
        ask={"method": "POST", "json": {"a": "b"}},
        name="file-over-text",
    ),
    Row(
        "handler-type",
        handler("async def show(self, token: Header[Thread])"),
        "takes token: Header[Thread], which cannot be read from a request",
        {"token: Header[Thread]": "{0}"},
        ask={"headers": {"token": "t"}},
        name="header",
    ),
    Row(
        "handler-type",
        handler("async def show(self, token: Header)"),
        "its type variable has no type",
        {"token: Header": "{0}"},
        ask={"headers": {"token": "t"}},
        name="bare-header",
    ),
    Row(
        "handler-type",
        handler("async def show(self, theme: Cookie[list[str]])"),
        "takes theme: Cookie[list[str]], which cannot be read from a request: a cookie has one value",
        {"theme: Cookie[list[str]]": "{0}"},
        ask={"headers": {"cookie": "theme=dark"}},
        name="cookie",
    ),
    Row(
        "handler-type",
        handler("async def show(self, a: UploadFile | Thread)", "@Post()"),
        "takes a: UploadFile | Thread, which cannot be read from a request",
        {"a: UploadFile | Thread": "{0}"},
        ask={
            "method": "POST",
            "headers": {"content-type": "multipart/form-data; boundary=x"},
            "body": b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n\r\n--x--',
        },
        name="file",
    ),
    Row(
        "handler-type",
        handler("async def show(self, body: T)", "@Post()", before="T = TypeVar('T')").replace(
            "class XController", "class XController(Generic[T])"
        ),
        "takes body: T, which cannot be read from a request: its type variable has no type",
        {"body: T": "{0}"},
        ask={"method": "POST", "json": {"a": "b"}},
        name="type-variable",
    ),
    Row(
        "handler-type",
        handler("async def show(self, form: Form[int])", "@Post()"),
        "takes form: Form[int], which cannot be read from a request: a form has names and values",
        {"form: Form[int]": "{0}"},
        ask={"method": "POST"},
        name="form",
    ),
    Row(
        "threads",
        app(SIMPLE, "bootstrap(modules, threads=0)"),
        "threads=0 of bootstrap()",
        {"threads=0": "{0}"},
    ),
    Row(
        "encoders",
        "class Money: amount = 'works'\n"
        + app(SIMPLE.replace('return "works"', "return Money()"), "bootstrap(modules, encoders={'Money': str})"),
        "was given 'Money'",
        {"encoders={'Money': str}": "{0}"},
    ),
    Row(
        "exception-class",
        "async def not_found(ctx, error): return ctx.json('works')\n"
        + app(SIMPLE, "bootstrap(modules, exception_handlers={404: not_found})"),
        "was given 404",
        {"exception_handlers={404: not_found}": "{0}"},
    ),
    Row(
        "exception-handler",
        "def handler(ctx, error): return ctx.text('sync')\n"
        + app(
            SIMPLE.replace('return "works"', "raise ValueError('works')"),
            "bootstrap(modules, exception_handlers={ValueError: handler})",
        ),
        "the exception handler of ValueError",
        {"def handler(ctx, error): return ctx.text('sync')": "{0}", "raise ValueError('works')": "return 'works'"},
    ),
    Row(
        "on-error",
        "async def on_error(ctx, error): ...\n" + app(SIMPLE, "bootstrap(modules, on_error=on_error)"),
        "of bootstrap() is no plain function",
        {"async def on_error(ctx, error): ...": "{0}"},
    ),
    Row(
        "handler-watched-stream",
        handler("async def upload(self)", "@Post(stream=True, cancel_on_disconnect=True)"),
        "XController.upload() at",
        {"@Post(stream=True, cancel_on_disconnect=True)": "{0}"},
        ask={"method": "POST"},
    ),
    *[
        Row(
            "lifespan",
            f"async def lifespan(app): yield\n{app(SIMPLE, build)}",
            f"lifespan= of {owner} was given lifespan, which is an async generator function.",
            {"async def lifespan(app): yield": "{1}\n{0}"},
            name=owner,
        )
        for owner, build in {
            "bootstrap()": "bootstrap(modules, lifespan=lifespan)",
            "Module('app')": "bootstrap([*modules, Module('app', lifespan=lifespan)])",
        }.items()
    ],
    Row(
        "lifespan",
        f"async def lifespan(app): ...\n{app(SIMPLE, 'bootstrap(modules, lifespan=lifespan)')}",
        "which is a coroutine function",
        {"async def lifespan(app): ...": "{1}\n{0}"},
        name="coroutine",
    ),
    Row(
        "health-check",
        app(SIMPLE, "bootstrap([*modules, Health(checks=[True])])"),
        "has True, which cannot be called",
        {"modules =": "{0}\nmodules =", "Health(checks=[True])": "{1}"},
        ask={"target": "/x"},
    ),
    Row(
        "health-timeout",
        app(SIMPLE, "bootstrap([*modules, Health(timeout=0)])"),
        "timeout=0 of Health()",
        {"timeout=0": "{0}"},
    ),
    Row(
        "di-health",
        app(
            "@Service()\nclass Users:\n    def ping(self): ...\n" + textwrap.dedent(SIMPLE),
            "bootstrap(modules, providers=[Provider(Users, health='ping')])",
        ),
        "health='ping' of the provider of Users cannot be called.",
        {"health='ping'": "{0}"},
    ),
    Row(
        "di-health-scope",
        app(
            "class Users:\n    def ping(self): ...\n" + textwrap.dedent(SIMPLE),
            'bootstrap(modules, providers=[Provider(Users, scope="request", health=Users.ping)])',
        ),
        "its Users has the scope 'request'",
        {'Provider(Users, scope="request", health=Users.ping)': "{0}"},
    ),
    Row(
        "route-parameter",
        handler("async def show(self)", '@Get("/{name}")'),
        "has {name}, but XController.show()",
        {"show(self)": "show(self, {0})"},
        ask={"target": "/x/ada"},
    ),
    Row(
        "background-parameter",
        handler(
            "async def show(self, ctx: RequestContext)",
            before="async def record(name: str): ...",
            body='ctx.background(record); return "works"',
        ),
        "does not pass 'name', and nobody provides str.",
        {"ctx.background(record)": "{0}"},
    ),
    Row(
        "background-resource",
        app(
            """
from collections.abc import Iterator
class Db: ...
def open_db() -> Iterator[Db]: yield Db()
class Users:
    def __init__(self, db: Db) -> None: self.db = db
async def task(users: Users): ...
@Controller("/x")
class XController:
    @Get()
    async def show(self, ctx: RequestContext, users: Users):
        ctx.background(task, users)
        return "works"
""",
            "bootstrap(modules, providers=[open_db, Users])",
        ),
        "ctx.background(task, ...) is given Users of this request, which is closed before the task runs",
        {"async def task(users: Users)": "{0}", "ctx.background(task, users)": "{1}"},
    ),
    Row(
        "stream-resource",
        app(
            """
from collections.abc import Iterator
class Db:
    is_open = True
@Service(scope="handler")
def open_db() -> Iterator[Db]:
    db = Db()
    yield db
    db.is_open = False
class Users:
    def __init__(self, db: Db) -> None: self.db = db
@Controller("/x")
class XController:
    @Get()
    async def show(self, ctx: RequestContext, users: Users):
        async def rows():
            yield b'"works"' if users.db.is_open else b'"lost"'
        return ctx.stream(rows())
""",
            "bootstrap(modules, providers=[open_db, Users])",
        ),
        'uses Users, which has the scope "handler": it is closed before the stream begins',
        {'scope="handler"': "{0}"},
    ),
    Row(
        "di-missing-provider",
        app(f"class Users: ...\n{TAKES_USERS}"),
        "Nobody provides Users",
        {"bootstrap(modules)": "bootstrap(modules, {0})"},
    ),
    Row(
        "di-missing-provider",
        app(f"class Users: ...\n{TAKES_USERS}"),
        "Nobody provides Users",
        {"class Users": "{1}\nclass Users"},
        name="marked",
    ),
    Row(
        "di-ambiguous",
        app(
            f"class Users: ...\nclass Sql(Users): ...\nclass Memory(Users): ...\n{TAKES_USERS}",
            "bootstrap(modules, providers=[Provider(Users, Sql), Provider(Users, Memory)])",
        ),
        "Users is provided 2 times",
        {"users: Users": "{0}"},
    ),
    Row(
        "di-missing-hint",
        app(
            "@Service()\nclass Clock: ...\n"
            f"@Service()\nclass Users:\n    def __init__(self, clock): ...\n{TAKES_USERS}",
            "bootstrap(modules, providers=[Clock])",
        ),
        "The parameter clock of Users(clock)",
        {"(self, clock)": "(self, {0})"},
    ),
    Row(
        "di-missing-return-hint",
        app(
            f"class YourType: ...\nUsers = YourType\ndef connect(): return Users()\n{TAKES_USERS}",
            "bootstrap(modules, providers=[connect])",
        ),
        "does not say which type it makes",
        {"[connect]": "[{1}]"},
    ),
    Row(
        "di-generator-hint",
        app(
            "from collections.abc import AsyncIterator\nclass Users: ...\n"
            f"async def connect() -> Users: yield Users()\n{TAKES_USERS}",
            "bootstrap(modules, providers=[connect])",
        ),
        "does not say what it yields",
        {"async def connect() -> Users": "{0}", "(...)": "()"},
    ),
    Row(
        "provider-path",
        app(
            """
class User: ...
def user(number: int) -> User: return User()
@Controller("/x")
class XController:
    @Get("/{number}/all")
    async def all(self, user: User): return "all"
    @Get()
    async def show(self, user: User): return "works"
""",
            "bootstrap(modules, providers=[user])",
        ),
        "takes the path parameter 'number', but XController.show()",
        {"@Get()": '@Get("{0}")'},
        ask={"target": "/x/7"},
    ),
    Row(
        "handler-untyped",
        handler("async def show(self, thing)", before="@Service()\nclass YourService: ..."),
        "The parameter 'thing' of XController.show()",
        {"thing)": "{0})"},
    ),
    Row(
        "handler-untyped",
        handler("async def show(self, c)", before="@Service()\nclass YourService: ..."),
        "The parameter 'c' of XController.show()",
        {"(self, c)": "(self, {1})"},
        name="context",
    ),
    Row(
        "handler-scalar",
        handler("async def show(self, page: int)"),
        "XController.show() at source_0.py:17 asks for page: int",
        {"@Get()": '@Get("/{0}")'},
        ask={"target": "/x/7"},
        name="path",
    ),
    Row(
        "handler-scalar",
        handler("async def show(self, page: int)"),
        "asks for page: int",
        {"page: int)": "{1})", "@Controller('/x')": "{2}\n@Controller('/x')"},
        ask={"target": "/x?page=7"},
        name="query",
    ),
    Row(
        "handler-data",
        handler("async def show(self, note: Note)", "@Post()", before="class Note(msgspec.Struct): title: str"),
        "XController.show() at source_0.py:18 asks for note: Note",
        {"note: Note": "{0}"},
        ask={"method": "POST", "json": {"title": "t"}},
        name="body",
    ),
    Row(
        "handler-data",
        handler("async def show(self, note: Note)", before="class Note(msgspec.Struct): title: str"),
        "asks for note: Note",
        {"note: Note": "{1}"},
        ask={"target": "/x?title=t"},
        name="query",
    ),
    Row(
        "handler-type",
        handler("async def show(self, body: Thread)", "@Post()"),
        "takes body: Thread, which cannot be read from a request",
        {"body: Thread": "{0}"},
        ask={"method": "POST", "json": {"a": "b"}},
    ),
    Row(
        "handler-body",
        handler("async def show(self, body: dict[str, str])"),
        "the body of a GET request means nothing",
        {"@Get()": "{1}"},
        ask={"method": "POST", "json": {"a": "b"}},
    ),
    Row(
        "handler-body",
        handler("async def show(self, body: dict[str, str])", before="T = dict[str, str]"),
        "XController.show()",
        {"body: dict[str, str]": "{0}"},
        name="query",
    ),
    Row(
        "handler-stream",
        handler("async def show(self, body: bytes)", "@Post(stream=True)"),
        "XController.show()",
        {"body: bytes": "{0}", 'return "works"': 'return b"".join([each async for each in {1}]).decode()'},
        ask={"method": "POST", "body": b"works"},
    ),
    Row(
        "session-missing",
        app(WITH_SESSION),
        "GET /x uses ctx.session",
        {"bootstrap(modules)": "{0}"},
        env={"SESSION_SECRET": SECRET},
    ),
    Row(
        "session-missing",
        app(WITH_SESSION.replace("@Get()", "@Get(session=False)"), "bootstrap(modules, [session(secret=secret)])"),
        "GET /x uses ctx.session",
        {"session=False": "{0}"},
        name="switched off",
    ),
    Row(
        "templates-missing",
        handler("async def show(self, ctx: RequestContext)", body='return ctx.render("works.html")'),
        "the application has no templates",
        {"bootstrap(modules)": "{0}"},
    ),
    Row(
        "templates-folder",
        handler("async def show(self, ctx: RequestContext)", body='return ctx.render("works.html")').replace(
            "bootstrap(modules)", 'bootstrap(modules, templates="pages")'
        ),
        "bootstrap(templates='pages'): this folder does not exist",
        {'templates="pages"': "{0}"},
    ),
    *[
        Row(
            "mount",
            f"{OTHER}\napp = bootstrap([Module('legacy', mounts={mounts})])",
            cause,
            mend,
            ask={"target": target},
            name=name,
        )
        for name, target, mounts, cause, mend in [
            ("mapping", "/old", "[app]", "takes paths with what is mounted there", {"mounts=[app]": "{0}"}),
            ("class", "/old", '{"/old": Other}', "is the class Other", {'"/old": Other': '"/old": {0}'}),
            ("wsgi", "/old", '{"/old": wsgi}', "it is a WSGI application", {'"/old": wsgi': '"/old": {0}'}),
            ("folder", "/old/works.html", '{"/old": "templates"}', "is a text", {'"templates"': "{0}"}),
        ]
    ],
    Row(
        "mount-duplicate",
        f'{OTHER}\napp = bootstrap([Module("a", mounts={{"/old": app}}), Module("b", mounts={{"old": app}})])',
        "Two things are mounted at /old",
        {'"old"': "{0}"},
        ask={"target": "/old"},
    ),
    Row(
        "static-folder",
        'app = bootstrap([Module("web", mounts={"/x": StaticFiles("nowhere/templates")})])',
        "StaticFiles('nowhere/templates'): there is no such folder",
        {'StaticFiles("nowhere/templates")': "{0}"},
        ask={"target": "/x/works.html"},
    ),
    Row(
        "static-folder",
        'app = bootstrap([Module("web", mounts={"/x": StaticFiles("templates", spa="main.html")})])',
        "StaticFiles('templates', spa='main.html'): there is no such file in it",
        {'spa="main.html"': "{0}"},
        name="page",
    ),
    Row(
        "static-max-age",
        'app = bootstrap([Module("web", mounts={"/x": StaticFiles("templates", max_age="1h")})])',
        "StaticFiles(max_age='1h')",
        {'max_age="1h"': "{0}"},
        ask={"target": "/x/works.html"},
    ),
    Row(
        "trailing-slash",
        app(SIMPLE, 'bootstrap(modules, trailing_slash="append")'),
        "bootstrap(trailing_slash='append')",
        {'trailing_slash="append"': "{0}"},
    ),
    Row(
        "route-version",
        app(SIMPLE, "bootstrap([Module('app', controllers=[XController], version=2)])"),
        "version=2 of Module('app') cannot be a segment",
        {"version=2": "{0}"},
        ask={"target": "/v2/x"},
    ),
    Row(
        "route-version",
        app(SIMPLE.replace('"/x"', '"/x", version="v/1"')),
        "version='v/1' of @Controller of XController",
        {'version="v/1"': "{0}"},
        ask={"target": "/v1/x"},
        name="controller",
    ),
    Row(
        "url-name",
        handler("async def show(self, ctx: RequestContext)", body='ctx.url_for("XController.sow"); return "works"'),
        "url_for('XController.sow'): there is no route of this name",
        {"XController.sow": "{0}"},
    ),
    Row(
        "url-ambiguous",
        handler("async def show(self, ctx: RequestContext)", body='ctx.url_for("XController.show"); return "works"')
        .replace("@Get()", '@Get()\n    @Get("/y")')
        .replace('Module("app", controllers=[XController])', 'Module("app", controllers=[XController], prefix="")'),
        "url_for('XController.show') could be",
        {'@Get("/y")': '@Get("/y", {0})', "XController.show": "other"},
    ),
    Row(
        "url-value",
        handler(
            "async def show(self, ctx: RequestContext, n: int = 0)",
            '@Get()\n    @Get("/{n}", name="by_n")',
            body='ctx.url_for("by_n"); return "works"',
        ),
        "url_for('by_n'): it needs 'n'",
        {'"by_n");': '"by_n", {0});'},
    ),
    Row(
        "template-missing",
        handler("async def show(self, ctx: RequestContext)", body='return ctx.render("work.html")').replace(
            "bootstrap(modules)", 'bootstrap(modules, templates="templates")'
        ),
        "There is no template 'work.html' in templates",
        {'"work.html"': "{0}"},
    ),
    Row(
        "cookie-secret-missing",
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
        {"bootstrap(modules, middleware=[cookie_parser()])": "{0}"},
        env={"COOKIE_SECRET": SECRET},
    ),
    Row(
        "cookie-secret-twice",
        app(SIMPLE, "bootstrap(modules, middleware=[cookie_parser(secret)], cookie_secret=secret)"),
        "The secret of signed cookies is there twice",
        {"[cookie_parser(secret)], cookie_secret=secret": "[], {0}"},
    ),
    Row(
        "secret-weak",
        app(SIMPLE, 'bootstrap(modules, cookie_secret="hunter2")'),
        "bootstrap(cookie_secret=...) has a secret of 7 bytes",
        {'cookie_secret="hunter2"': "cookie_{1}"},
        env={"KICK_ENV": "production", "SESSION_SECRET": SECRET},
        name="cookie_secret",
    ),
    Row("secret-missing", sessions(""), "session() has no secret", {"session()": "session({1})"}),
    Row(
        "secret-missing",
        app(SIMPLE, 'bootstrap(modules, middleware=[cookie_parser(secret="")])'),
        "cookie_parser() has no secret",
        {'secret=""': "{1}"},
        name="cookie_parser",
    ),
    Row(
        "secret-weak",
        sessions('secret="hunter2"'),
        "session() has a secret of 7 bytes",
        {'secret="hunter2"': "{1}"},
        env={"KICK_ENV": "production"},
    ),
    *[
        Row(
            "session-cookie",
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
            'cookie={"same_site": "none", "secure": "auto"}': "same_site='none' goes with secure=True only",
            'cookie={"secure": "maybe"}': "secure must be True, False, None or 'auto', not 'maybe'",
        }.items()
    ],
    *[
        Row(
            "session-option",
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
        "session-store-unknown",
        sessions('secret=secret, store="mongodb://x"'),
        "store='mongodb://...') is no store",
        {'store="mongodb://x"': "{0:options}"},
    ),
    Row(
        "session-cookie-twice",
        app(SIMPLE)
        .replace("controllers=[XController])", "controllers=[XController], middleware=[session(secret)])")
        .replace("bootstrap(modules)", "bootstrap(modules, [session(secret)])"),
        "Two session() layers on one route have the cookie 'kick.sid'",
        {"middleware=[session(secret)]": "middleware=[{0}]"},
    ),
    Row(
        "session-shared",
        "import os\nos.environ['ADMIN_SECRET'] = 'the secret of the administrators, of 40 bytes'\n"
        + app(SIMPLE)
        .replace(
            "controllers=[XController])",
            "controllers=[XController], middleware=[session(secret, store='sqlite:///s.db', cookie_name='admin.sid')])",
        )
        .replace("bootstrap(modules)", "bootstrap(modules, [session(secret, store='sqlite:///s.db')])"),
        "with the cookies 'kick.sid' and 'admin.sid', have one secret and one store",
        {"middleware=[session(secret, store='sqlite:///s.db', cookie_name='admin.sid')]": "middleware=[{0}]"},
    ),
    Row(
        "session-use",
        handler("async def show(self) -> str", "@Get(session='quiet')"),
        "session='quiet' of",
        {"session='quiet'": "{0}"},
    ),
    Row(
        "session-store-method",
        f"{STORE}\n{sessions('secret=secret, store=Store()')}",
        "Store has no coroutine method 'destroy'",
        {"async def get(self, sid)": "{0}: ...\n    async def get(self, sid)"},
    ),
    *[
        Row(error, layered(layer), cause, {layer: "{0}"}, name=layer)
        for error, layer, cause in [
            ("rate-limit", 'rate_limit("often")', "rate_limit('often'): that is no limit"),
            ("rate-limit", 'rate_limit("0/minute")', "no request would be accepted"),
            ("rate-limit-option", 'rate_limit("5/minute", key="user")', "rate_limit(key='user')"),
            ("rate-limit-option", 'rate_limit("5/minute", on_error="ignore")', "rate_limit(on_error='ignore')"),
            ("rate-limit-option", 'rate_limit("5/minute", store="mongodb://x")', "rate_limit(store='mongodb://...')"),
            ("security-header", 'security_headers(referrer_policy="none")', "security_headers(referrer_policy='none')"),
            ("security-header", "security_headers(hsts_preload=True)", "possible without the subdomains"),
            ("compression-option", "compression(gzip_level=12)", "compression(gzip_level=12)"),
        ]
    ],
    *[
        Row(error, layered(f"{name}({option})"), cause, {option: "{0}"}, name=option)
        for error, name, option, cause in [
            ("security-csp", "security_headers", """csp={"img-src": "self"}""", "self of img-src is a keyword"),
            ("security-csp", "security_headers", """csp={"scirpt-src": "'self'"}""", "'scirpt-src' is no directive"),
            ("cors-origin", "cors", 'allow_origins=["https://a.test/"]', "browsers do not send this"),
            ("cors-dangerous", "cors", 'allow_origins=["null"]', "have the origin null"),
            ("cors-dangerous", "cors", 'allow_origins=["*"], allow_credentials=True', "every site may read"),
            ("cors-dangerous", "cors", 'allow_origin_regex="https://.*"', "allows sites of anybody"),
            ("cors-option", "cors", 'allow_origins="https://a.test"', "is not a list of origins"),
        ]
    ],
    Row(
        "middleware-order",
        layered('rate_limit("5/minute", key="principal")'),
        'rate_limit(key="principal") needs session() before it',
        {'middleware=[rate_limit("5/minute", key="principal")]': "{0}"},
        name="limit",
    ),
    Row(
        "middleware-order",
        layered('rate_limit("5/minute"), cors(allow_origins=["*"])'),
        "cors() is listed after rate_limit()",
        {'middleware=[rate_limit("5/minute"), cors(allow_origins=["*"])]': "{0}"},
        name="cors",
    ),
    Row(
        "cors-route",
        "from kick.middleware import *\n"
        + handler("async def show(self)", '@Get()\n    @Use(cors(allow_origins=["*"]))').replace(
            "bootstrap(modules)", "bootstrap(modules, middleware=[])"
        ),
        "show() at",
        {'@Use(cors(allow_origins=["*"]))': "", "middleware=[]": "{0}"},
    ),
    Row(
        "session-needed",
        auth_app(SIMPLE, "bootstrap(modules, middleware=[csrf()])"),
        "csrf() works over the session, and there is no session()",
        {"middleware=[csrf()]": "{0}"},
        name="csrf",
    ),
    Row(
        "middleware-order",
        auth_app(SIMPLE, "bootstrap(modules, middleware=[csrf(), session(secret=secret)])"),
        "csrf() is listed before session()",
        {"middleware=[csrf(), session(secret=secret)]": "{0}"},
        name="csrf",
    ),
    Row(
        "csrf-trusted-origin",
        auth_app(
            SIMPLE, 'bootstrap(modules, [session(secret=secret), csrf(trusted_origins=["https://Example.com/"])])'
        ),
        "csrf(trusted_origins=['https://Example.com/']) is no origin",
        {'trusted_origins=["https://Example.com/"]': "{0}"},
    ),
    *[
        Row(
            "session-needed",
            auth_app(GUARDED.replace("@Guard", guard)),
            f"{guard.partition('(')[0]} works over the session, and there is no session()",
            {"bootstrap(modules)": "bootstrap(modules, {0})"},
            name=guard,
        )
        for guard in ("@Authenticated()", '@Roles("admin")')
    ],
    Row(
        "session-needed",
        auth_app(
            GUARDED.replace("@Guard", "@Authenticated").replace("@Post()", "@Post(session=False)"),
            OVER_SESSION,
        ),
        "@Authenticated works over the session, which is switched off for POST /x",
        {"session=False": "{0}"},
        name="switched off",
    ),
    Row(
        "session-needed",
        auth_app(
            SIMPLE,
            "bootstrap([*modules, Module('old', mounts={'/old': StaticFiles('.')}, middleware=[authenticated()])], "
            "[session(secret=secret)])",
        ),
        "@Authenticated works over the session, which is switched off for what is mounted at /old",
        {"middleware=[authenticated()]": "middleware=[authenticated()], {0}"},
        name="guarded mount",
    ),
    Row(
        "session-needed",
        auth_app(SIMPLE, "bootstrap(modules, middleware=[authentication()])"),
        "authentication() works over the session",
        {"middleware=[authentication()]": "{0}"},
        name="authentication",
    ),
    Row(
        "auth-max-age",
        auth_app(GUARDED.replace("@Guard", "@Authenticated(max_age=0)"), OVER_SESSION),
        "@Authenticated(max_age=0): expected a timedelta",
        {"@Authenticated(max_age=0)": "{0}"},
    ),
    *[
        Row(
            "auth-roles",
            auth_app(GUARDED.replace("@Guard", f"@Roles({given})"), OVER_SESSION),
            f"@Roles was given {shown}",
            {f"@Roles({given})": "{0}"},
            name=given,
        )
        for given, shown in {"": "'nothing'", '["admin"]': "[['admin']]"}.items()
    ],
    Row(
        "auth-login-page",
        auth_app(
            GUARDED.replace("@Guard", '@Authenticated(login_page="https://example.com/login")'),
            OVER_SESSION,
        ),
        "login_page='https://example.com/login' is no path of this site",
        {'login_page="https://example.com/login"': "{0}"},
    ),
    Row(
        "auth-loader",
        LOADER
        + auth_app(
            SIMPLE, "bootstrap(modules, [session(secret=secret), authentication(load_user)], providers=[Users])"
        ),
        "authentication(load_user): it does not take the id of a user",
        {LOADER_BODY: "{0}"},
    ),
    Row(
        "auth-passwords",
        auth_app(SIMPLE, "bootstrap(modules, providers=[Passwords(memory='64 MiB')])"),
        "Passwords(memory='64 MiB'): expected a whole number above 0",
        {"Passwords(memory='64 MiB')": "{0}"},
    ),
    Row(
        "session-store-no-index",
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
    Row(
        "socket-missing",
        socket("async def talk(self, ctx: RequestContext)"),
        "handles a WebSocket, but has no parameter for it",
        {"(self, ": "(self, {0}, "},
    ),
    Row(
        "socket-sync",
        socket("def talk(self, socket: Socket)"),
        "it is no coroutine function",
        {"def talk": "{0}"},
    ),
    Row(
        "socket-elsewhere",
        socket("async def talk(self, socket: Socket)", "@Post()"),
        "is a Socket, but POST requests have none",
        {"@Post()": "{0}"},
    ),
    Row(
        "socket-body",
        socket("async def talk(self, socket: Socket, body: dict[str, int])"),
        "takes a body, but a WebSocket has messages in place of one",
        {"socket: Socket, body: dict[str, int]": "{0}"},
    ),
    Row(
        "socket-duplicate",
        socket(
            "async def talk(self, socket: Socket): ...\n"
            '    @WebSocket("/socket")\n    async def other(self, socket: Socket)'
        ),
        "The WebSocket /x/socket has two handlers",
        {'@WebSocket("/socket")\n    async def other': '@WebSocket("{0}")\n    async def other'},
    ),
    Row(
        "socket-type",
        socket("async def talk(self, socket: Socket[Thread])"),
        "receives Thread, which cannot be read from a message",
        {"Socket[Thread]": "{0}"},
    ),
    Row(
        "socket-origin",
        socket("async def talk(self, socket: Socket)", '@WebSocket(origins=["example.com/"])'),
        "is no list of origins",
        {'origins=["example.com/"]': "{0}"},
    ),
    Row(
        "socket-origin",
        socket("async def talk(self, socket: Socket)", '@WebSocket(origins="https://Example.com:443")'),
        "is no list of origins",
        {'origins="https://Example.com:443"': "{0}"},
        name="text",
    ),
    Row(
        "socket-origin",
        socket("async def talk(self, socket: Socket)", "@WebSocket(origins=[7])"),
        "is no list of origins",
        {"origins=[7]": "{0}"},
        name="number",
    ),
    Row(
        "socket-option",
        socket("async def talk(self, socket: Socket)", '@WebSocket(max_message="1 MiB")'),
        "expected a number of bytes",
        {'max_message="1 MiB"': "{0}"},
    ),
    Row(
        "socket-option",
        socket("async def talk(self, socket: Socket)", '@WebSocket(on_invalid="ignore")'),
        'expected "close" or "reply"',
        {'on_invalid="ignore"': "{0}"},
        name="on_invalid",
    ),
    Row(
        "decorator-not-called",
        socket("async def talk(self, socket: Socket)", "@WebSocket"),
        "@WebSocket is written without parentheses on",
        {"@WebSocket": "{0}"},
        name="socket",
    ),
    Row(
        "raises",
        app(SIMPLE.replace("    @Get()", "    @Raises(ValueError)\n    @Get()")),
        "was given ValueError, which is no class of HTTPError",
        {"@Raises(ValueError)": "{0}"},
    ),
    Row(
        "raises",
        "class Broken(HTTPError):\n    pass\n" + app(SIMPLE.replace("    @Get()", "    @Raises(Broken)\n    @Get()")),
        "was given Broken, whose class has no status",
        {"    pass": "    {0}"},
        name="status",
    ),
    Row(
        "openapi",
        "from kick.openapi import OpenAPI\n" + app(SIMPLE, 'bootstrap(modules, openapi="yes")'),
        "is neither OpenAPI(...) nor True, False or None",
        {'openapi="yes"': "{0}"},
    ),
    Row(
        "openapi-option",
        "from kick.openapi import OpenAPI\n" + app(SIMPLE, "bootstrap(modules, openapi=OpenAPI(title=7))"),
        "expected a text",
        {"title=7": "{0}"},
    ),
    Row(
        "openapi-names",
        'from kick.openapi import OpenAPI\nOld = msgspec.defstruct("Note", [("x", int)])\n'
        'Note = msgspec.defstruct("Note", [("x", str)])\n'
        + app(
            SIMPLE + "    @Post(response=Old)\n    async def old(self): ...\n"
            "    @Put(response=Note)\n    async def new(self): ...\n",
            "bootstrap(modules, openapi=OpenAPI())",
        ),
        "Several models have the name 'Note'",
        {"OpenAPI())": "{0})"},
    ),
    Row(
        "openapi-schema",
        "from kick.openapi import OpenAPI\nclass Money: ...\n"
        + app(
            SIMPLE + "    @Post()\n    async def price(self) -> Money: ...\n",
            "bootstrap(modules, openapi=OpenAPI(), encoders={Money: lambda money: '5'})",
        ),
        "has no JSON Schema",
        {"OpenAPI()": "{0}"},
    ),
    Row(
        "openapi-operation",
        app(SIMPLE.replace("@Get()", '@Get(openapi={"respones": {}})')),
        "has no field 'respones'",
        {'openapi={"respones": {}}': "{0}"},
    ),
    Row(
        "openapi-value",
        "from kick.openapi import OpenAPI\n"
        + app(
            SIMPLE.replace("-> str", "-> Annotated[str, msgspec.Meta(examples=[object()])]"),
            "bootstrap(modules, openapi=OpenAPI())",
        ),
        "has a Meta() with a value that is no JSON",
        {"examples=[object()]": "{0}"},
    ),
    Row(
        "openapi-security",
        "from kick.openapi import OpenAPI\n"
        + app(
            SIMPLE.replace("@Get()", '@Raises(Unauthorized, security="bearer")\n    @Get()'),
            "bootstrap(modules, openapi=OpenAPI())",
        ),
        "names the security scheme 'bearer', and nothing defines it",
        {"OpenAPI()": "{0}"},
    ),
    Row(
        "openapi-version",
        app(SIMPLE, 'bootstrap([Module("app", controllers=[XController], version="v1")])') + 'app.openapi("v2")\n',
        "The API has no version 'v2'",
        {"v2": "{0}"},
        ask={"target": "/v1/x"},
    ),
]

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
        spec = spec_from_file_location(path.stem, path)
        assert spec is not None
        module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, path.stem, module)
        exec(compile(path.read_text(), path, "exec", dont_inherit=True), module.__dict__)
        return module

    return run


async def raised_by(source: str, row: Row, load: Load, caplog: pytest.LogCaptureFixture) -> KickError:
    """What a broken set-up raises: when it is loaded, or, where that cannot be known before, at its first request."""
    try:
        broken = load(source).app
    except SetupErrors as several:
        return next(each for each in several.problems if each.code == row.code)
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
    for name, value in {"SESSION_SECRET": SECRET, "KICK_ENV": "test", **row.env}.items():
        monkeypatch.setenv(name, value)
    problem = await raised_by(row.broken, row, load, caplog)
    assert problem.code == row.code
    assert row.cause in problem.cause
    assert str(problem) == f"[{problem.code}] {problem.cause}\n  Fix: {problem.fix}"
    application = load(mended(row, problem)).app
    answer = await ask(application, **{"target": "/x", **row.ask})
    assert answer.status in (200, 201), answer.text
    assert answer.json() == row.answer
    await application.aclose()


def test_every_mistake_has_its_row() -> None:
    # `session-transaction` comes while requests run: tests/session/test_transactions.py has it.
    elsewhere = {"missing-extra", "session-transaction", *codes_in("di/errors.py", "session/stores", "cli", "testing")}
    assert set(codes_in()) - elsewhere == {row.code for row in ROWS} - elsewhere


def test_codes_are_different() -> None:
    shared = {code for code, times in Counter(codes_in()).items() if times > 1}
    assert shared == set()


@pytest.mark.process
def test_kick_secret_draws_one_that_is_long_enough(load: Load) -> None:
    command = re.findall(r"`([^`]+)`", missing_secret("session()").fix)[0].split()
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
    problem = missing_secret("session()")
    with raises_code("secret-missing") as caught:
        raise_all([problem])
    assert caught.value is problem


# Extras


def command_of(problem: str, extra: str, package: str) -> None:
    """The extra that a message names is one of the project's, and brings the package."""
    (command,) = re.findall(r"`([^`]+)`", problem)
    assert command == f"pip install 'kick-framework[{extra}]'"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert package in {Requirement(each).name for each in extras[extra]}


def test_templates_without_jinja2_say_what_to_install(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    source = 'app = bootstrap([], templates="templates")'
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "jinja2", None)
        with raises_code("missing-extra", match="'jinja2'") as caught:
            load(source)
    command_of(caught.value.fix, "templates", "jinja2")
    assert load(source).app


def test_uploads_without_python_multipart_say_what_to_install(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    source = handler("async def show(self, avatar: UploadFile)", "@Post()")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "python_multipart", None)
        with raises_code("missing-extra", match=r"XController.show\(\) at .* takes files, which needs") as caught:
            load(source)
    command_of(caught.value.fix, "uploads", "python-multipart")
    assert load(source).app


@pytest.mark.parametrize(
    ("layer", "module", "extra", "package"),
    [
        ('rate_limit("5/minute")', "limits", "limits", "limits"),
        ('rate_limit("5/minute", store="redis://localhost")', "redis", "redis", "redis"),
        ('compression(codings=("zstd",))', "zstd", "compression", "backports.zstd"),
    ],
)
def test_middleware_without_its_package_says_what_to_install(
    layer: str, module: str, extra: str, package: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, module, None)
        if module == "zstd":
            for name in ("backports", "compression"):
                without.setitem(sys.modules, name, None)
        with raises_code("missing-extra") as caught:
            load(layered(layer))
    command_of(caught.value.fix, extra, package)
    assert load(layered(layer)).app


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
