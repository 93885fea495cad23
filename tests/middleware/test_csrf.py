"""`csrf()`: what passes and what is refused, header by header; browsers themselves are in `test_csrf_browser.py`."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from kick import App, Controller, Delete, Get, Head, Module, Options, Patch, Post, Put, RequestContext, Use, bootstrap
from kick.http import Response, StaticFiles
from kick.middleware import csrf
from kick.session import CsrfExempt, CsrfLayer, MemoryStore, session
from kick.session.csrf_token import is_token_of, new_token
from kick.testing import TestClient
from tests.http.support import ask
from tests.session.harness import calls_to
from tests.support.serving import Serve
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
HERE = "https://testserver"


class UserSession(msgspec.Struct):
    user_id: int | None = None


@Controller("/bank")
class Bank:
    @Get("/begin")
    async def begin(self, ctx: RequestContext) -> str:
        await ctx.session.save()
        return ctx.session.csrf_token

    @Get("/token")
    async def token(self, ctx: RequestContext) -> str:
        return ctx.session.csrf_token

    @Get("/quiet")
    async def quiet(self, ctx: RequestContext) -> bool:
        return ctx.session.is_new

    @Get("/change/{verb}")
    async def change(self, ctx: RequestContext, verb: str) -> None:
        await getattr(ctx.session, verb)()

    @Get("/both")
    async def both(self, ctx: RequestContext) -> list[str]:
        return [ctx.session.csrf_token, ctx.session.csrf_token]

    @Get("/renew")
    async def renew(self, ctx: RequestContext) -> str:
        await ctx.session.regenerate()
        return ctx.session.csrf_token

    @Post("/pay")
    @Put("/pay")
    @Patch("/pay")
    @Delete("/pay")
    async def pay(self) -> str:
        return "paid"

    @Post("/form")
    async def form(self, ctx: RequestContext) -> dict[str, str]:
        return {name: str(value) for name, value in ctx.form.items()}

    @Post("/stream", stream=True)
    async def stream(self, ctx: RequestContext) -> int:
        return sum([len(each) async for each in ctx.body_stream()])

    @CsrfExempt
    @Post("/hook")
    async def hook(self) -> str:
        return "noted"

    @Post("/off", session=False)
    async def off(self) -> str:
        return "off"

    @Head("/safe")
    @Options("/safe")
    async def safe(self) -> None: ...


@CsrfExempt()
@Controller("/hooks")
class Hooks:
    @Post("/a")
    async def a(self) -> str:
        return "noted"


def make(*, trusted: list[str] | None = None, templates: Path | None = None, **options: Any) -> App:
    layers = [session(SECRET, save_uninitialized=False, **options), csrf(trusted_origins=trusted or [])]
    return bootstrap([Module("bank", controllers=[Bank, Hooks])], layers, templates=templates)


@pytest.fixture(params=[None, UserSession], ids=["dict", "typed"])
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    """Somebody with a session, on a client that sends neither `Origin` nor `Sec-Fetch-Site`."""
    with TestClient(make(data=request.param), origin=None) as client:
        client.get("/bank/begin")
        yield client


def outcome(client: TestClient, headers: Mapping[str, Any], path: str = "/bank/pay", **options: Any) -> str:
    """The code of the refusal, or what was answered."""
    answer = client.post(path, headers=headers, **options)
    if answer.status_code == 403:
        assert answer.headers["content-type"] == "application/problem+json"
        return str(answer.json()["code"])
    assert answer.status_code == 200, answer.text
    return str(answer.json())


# What the browser says

SAID: dict[str, tuple[dict[str, str], str]] = {
    "a page of this origin": ({"sec-fetch-site": "same-origin"}, "paid"),
    "so, whatever a proxy made of the host": ({"sec-fetch-site": "same-origin", "origin": "http://inside"}, "paid"),
    "another port, or a sub-domain": ({"sec-fetch-site": "same-site", "origin": "https://a.testserver"}, "cross-site"),
    "another site": ({"sec-fetch-site": "cross-site", "origin": "https://evil.test"}, "cross-site"),
    "another site, with our origin": ({"sec-fetch-site": "cross-site", "origin": HERE}, "cross-site"),
    "nothing that is known": ({"sec-fetch-site": "same-origin, cross-site"}, "cross-site"),
    "an empty text": ({"sec-fetch-site": ""}, "cross-site"),
    "no page at all": ({"sec-fetch-site": "none"}, "token-missing"),
    "no page, our origin": ({"sec-fetch-site": "none", "origin": HERE}, "paid"),
    "no page, an extension": ({"sec-fetch-site": "none", "origin": "chrome-extension://abc"}, "origin"),
    "our origin": ({"origin": HERE}, "paid"),
    "our origin with its port": ({"origin": f"{HERE}:443"}, "paid"),
    "our host in capitals": ({"origin": HERE, "host": "TestServer"}, "paid"),
    "another scheme": ({"origin": "http://testserver"}, "origin"),
    "another port": ({"origin": f"{HERE}:8443"}, "origin"),
    "port 80 over https": ({"origin": f"{HERE}:80"}, "origin"),
    "another host": ({"origin": "https://evil.test"}, "origin"),
    "a host that begins like ours": ({"origin": f"{HERE}.evil.test"}, "origin"),
    "a user that is called like us": ({"origin": f"{HERE}@evil.test"}, "origin"),
    "a path": ({"origin": f"{HERE}/"}, "origin"),
    "several origins": ({"origin": f"{HERE} https://evil.test"}, "origin"),
    "an empty origin": ({"origin": ""}, "origin"),
    "a scheme only": ({"origin": "https://"}, "origin"),
    "an empty host": ({"origin": "https://", "host": ""}, "origin"),
    "a sandboxed frame": ({"origin": "null"}, "token-missing"),
    "nothing": ({}, "token-missing"),
}


@pytest.mark.parametrize(("headers", "expected"), SAID.values(), ids=SAID)
def test_the_browser_is_asked_first(client: TestClient, headers: dict[str, str], expected: str) -> None:
    assert outcome(client, headers).removeprefix("csrf-") == expected


@pytest.mark.parametrize(("headers", "expected"), SAID.values(), ids=SAID)
def test_the_right_token_helps_where_the_browser_says_nothing(
    client: TestClient, headers: dict[str, str], expected: str
) -> None:
    token = client.get("/bank/token").json()
    with_token = outcome(client, {**headers, "x-csrf-token": token}).removeprefix("csrf-")
    assert with_token == ("paid" if expected == "token-missing" else expected)


def test_a_session_with_a_former_name_needs_its_token_too() -> None:
    """The request passed: it has no cookie with the name of today."""
    store = MemoryStore()
    with TestClient(make(store=store, cookie_name="old.sid"), origin=None) as client:
        client.get("/bank/begin")
        cookie = f"old.sid={client.cookies['old.sid']}"
    with TestClient(make(store=store, cookie={"replaces": ["old.sid"]}), origin=None) as client:
        assert outcome(client, {"cookie": cookie}) == "csrf-token-missing"
        token = client.get("/bank/token", headers={"cookie": cookie}).json()
        assert outcome(client, {"cookie": cookie, "x-csrf-token": token}) == "paid"
        assert outcome(client, {"cookie": "old.sid=s:gone"}) == "paid"  # it acts for nobody


HOSTILE = ["\xff\xfe", "https://\xc3\xa9", "x" * 5000, "://", "[::1", "null, null", "\r\nset-cookie: a=b"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["origin", "sec-fetch-site", "x-csrf-token", "host"])
async def test_hostile_values_never_raise(name: str, value: str) -> None:
    headers = {"cookie": "kick.sid=x", "origin": "http://example.com" if name == "host" else "null", name: value}
    answer = await ask(make(), "/bank/pay", method="POST", headers=headers)
    assert answer.status == 403
    assert value not in str(answer.headers)


def test_two_hosts_are_none(client: TestClient) -> None:
    headers = [("host", "testserver"), ("host", "evil.test"), ("origin", HERE)]
    assert client.post("/bank/pay", headers=headers).json()["code"] == "csrf-origin"


def test_every_refusal_is_a_problem_that_says_what_to_do(client: TestClient) -> None:
    answer = client.post("/bank/pay")
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
    assert "X-CSRF-Token" in answer.json()["detail"]
    assert answer.json()["request_id"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_method_that_changes_something_is_looked_at(client: TestClient, method: str) -> None:
    assert client.request(method, "/bank/pay").status_code == 403
    token = client.get("/bank/token").json()
    assert client.request(method, "/bank/pay", headers={"x-csrf-token": token}).status_code == 200


def test_a_mounted_application_gets_the_form_that_the_token_was_in() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(await Request(scope, receive).body())(scope, receive, send)

    app = bootstrap(
        [Module("old", controllers=[Bank], mounts={"/old": echo}, session=True)],
        [session(SECRET, save_uninitialized=False), csrf()],
    )
    with TestClient(app, origin=None) as client:
        token = client.get("/bank/token").json()
        form = {"csrf_token": token, "text": "hello"}
        assert client.post("/old", data=form).text == f"csrf_token={token}&text=hello"
        files = {"file": b"content"}
        assert client.post("/old", data=form, files=files).json()["code"] == "csrf-token-missing"
        assert b"content" in client.post("/old", headers={"x-csrf-token": token}, files=files).content


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An application to be mounted: it answers, and accepts WebSockets."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"hello over {scope['scheme']}"})
        await send({"type": "websocket.close"})
    else:
        await Response("hello")(scope, receive, send)


def mounting() -> App:
    layers = [session(SECRET, save_uninitialized=False), csrf()]
    return bootstrap(
        [Module("old", mounts={"/old": hello, "/files": StaticFiles(Path(__file__).parent)}, session=True)], layers
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("said", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none"}, {}], ids=str)
async def test_a_mount_may_be_linked_to_from_anywhere(method: str, said: dict[str, str]) -> None:
    for target in ("/old", "/files/test_csrf.py"):
        answer = await ask(mounting(), target, method=method, headers={**said, "cookie": "kick.sid=x"})
        assert answer.status in (200, 204)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
async def test_what_changes_something_in_a_mount_is_looked_at(method: str) -> None:
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}
    assert (await ask(mounting(), "/old", method=method, headers=foreign)).status == 403
    assert (await ask(mounting(), "/old", method=method, headers={"sec-fetch-site": "same-origin"})).status == 200


def test_a_websocket_of_a_mount_is_looked_at(serve: Serve) -> None:
    with serve(mounting()) as url:
        address = f"{url.replace('http', 'ws')}/old"
        with pytest.raises(InvalidStatus) as refused, connect(address, origin=Origin("http://evil.test")):
            pass
        assert refused.value.response.status_code == 403
        with connect(address, origin=Origin(url)) as socket:
            assert socket.recv() == "hello over ws"


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_a_websocket_of_a_mount_over_tls_comes_from_a_page_over_tls(scheme: str) -> None:
    headers = [(b"host", b"example.com"), (b"origin", b"https://example.com")]
    handshake = {"type": "websocket", "scheme": scheme, "path": "/old", "query_string": b"", "headers": headers}
    said: list[Any] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(message.get("text"))

    await mounting()(handshake, receive, send)
    assert "hello over wss" in said


def test_trusted_origins_may_send() -> None:
    app = make(trusted=["https://admin.example.com", "http://localhost:5173"])
    with TestClient(app, origin=None) as client:
        client.get("/bank/token")
        for origin in ("https://admin.example.com", "http://localhost:5173"):
            assert outcome(client, {"sec-fetch-site": "cross-site", "origin": origin}) == "paid"
            assert outcome(client, {"origin": origin}) == "paid"
        for origin in ("http://admin.example.com", "https://admin.example.com.evil.test", "http://localhost", "null"):
            assert outcome(client, {"sec-fetch-site": "cross-site", "origin": origin}) == "csrf-cross-site"
        assert outcome(client, {"sec-fetch-site": "cross-site"}) == "csrf-cross-site"


NO_ORIGINS = ["*", "null", "", "example.com", "https://*.example.com", "https://example.com/", "https://Example.com"]
NO_ORIGINS += [
    "https://example.com:443",
    "https://example.com:x",
    "https://a@example.com",
    "https://é.test",
    "https://",
]


@pytest.mark.parametrize("origin", [*NO_ORIGINS, 7])
def test_what_no_browser_sends_as_an_origin_is_refused_at_the_start(origin: Any) -> None:
    with raises_code("csrf-trusted-origin"):
        csrf(trusted_origins=["https://example.com", origin])


def test_origins_are_as_browsers_write_them() -> None:
    assert csrf(trusted_origins=["http://[::1]:8000", "https://xn--9ca.example", "https://example.com:8443"])
    with raises_code("list-missing"):
        csrf(trusted_origins="https://example.com")


# The token


def test_a_token_is_as_good_as_any_other_of_the_session_and_none_is_like_another(client: TestClient) -> None:
    first, second = client.get("/bank/both").json()
    third = client.get("/bank/token").json()
    assert len({first, second, third}) == 3
    halves = [urlsafe_b64decode(each + "==") for each in (first, second, third)]
    assert len({raw[:32] for raw in halves} | {raw[32:] for raw in halves}) == 6
    for token in (first, second, third):
        assert re.fullmatch(r"[A-Za-z0-9_-]{86}", token)
        assert outcome(client, {"x-csrf-token": token}) == "paid"


WRONG: dict[str, Callable[[str], str]] = {
    "nothing": lambda token: "",
    "a part": lambda token: token[:-1],
    "more": lambda token: token + "A",
    "another character": lambda token: token[:50] + ("A" if token[50] != "A" else "B") + token[51:],
    "zeros": lambda token: "A" * 86,
    "no base64": lambda token: "!" * 86,
    "spaces": lambda token: token[:40] + " " * 6 + token[46:],
    "twice": lambda token: f"{token}, {token}",
    "the halves exchanged": lambda token: token[43:] + token[:43],
    "in capitals": str.upper,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("said", [{}, {"origin": HERE}, {"sec-fetch-site": "same-origin"}], ids=str)
def test_a_wrong_token_is_refused_even_where_none_is_needed(
    client: TestClient, said: dict[str, str], wrong: Callable[[str], str]
) -> None:
    token = wrong(client.get("/bank/token").json())
    assert outcome(client, {**said, "x-csrf-token": token}) == "csrf-token-invalid"


@settings(deadline=None)
@given(text=st.text(max_size=100))
def test_no_text_is_a_token_by_chance_and_none_raises(text: str) -> None:
    assert not is_token_of("an id", text)
    assert not is_token_of("an id", new_token("another id"))


def test_a_token_of_another_session_is_refused(client: TestClient) -> None:
    with TestClient(client.app, origin=None) as attacker:
        token = attacker.get("/bank/begin").json()
        assert outcome(attacker, {"x-csrf-token": token}) == "paid"
    assert outcome(client, {"x-csrf-token": token}) == "csrf-token-invalid"


@pytest.mark.parametrize("verb", ["regenerate", "rotate"])
def test_a_token_from_before_the_id_changed_is_refused(client: TestClient, verb: str) -> None:
    before = client.get("/bank/token").json()
    client.get(f"/bank/change/{verb}")
    assert outcome(client, {"x-csrf-token": before}) == "csrf-token-invalid"
    assert outcome(client, {"x-csrf-token": client.get("/bank/token").json()}) == "paid"


def test_the_token_after_a_regenerate_in_the_same_request_is_the_new_one(client: TestClient) -> None:
    assert outcome(client, {"x-csrf-token": client.get("/bank/renew").json()}) == "paid"


def test_a_request_in_flight_while_the_id_rotates_passes_with_what_it_had(client: TestClient) -> None:
    token, cookie = client.get("/bank/token").json(), client.cookies["kick.sid"]
    client.get("/bank/change/rotate")
    assert client.cookies["kick.sid"] != cookie
    with TestClient(client.app, cookies={"kick.sid": cookie}, origin=None) as slow:
        assert outcome(slow, {"x-csrf-token": token}) == "paid"


@pytest.mark.parametrize("verb", ["regenerate", "destroy"])
def test_the_old_cookie_with_its_old_token_is_refused_when_it_leads_nowhere(client: TestClient, verb: str) -> None:
    token, cookie = client.get("/bank/token").json(), client.cookies["kick.sid"]
    client.get(f"/bank/change/{verb}")
    with TestClient(client.app, cookies={"kick.sid": cookie}, origin=None) as thief:
        assert outcome(thief, {"x-csrf-token": token}) == "csrf-session"


@pytest.mark.parametrize("cookie", ["forged", "s:abcdefghijklmnopqrstuvwxyz0123456789.AAAA", ""])
def test_a_planted_cookie_that_is_no_session_is_refused_with_any_token(client: TestClient, cookie: str) -> None:
    token = client.get("/bank/token").json()
    with TestClient(client.app, cookies={"kick.sid": cookie}, origin=None) as victim:
        assert outcome(victim, {"x-csrf-token": token}) == "csrf-session"
        assert outcome(victim, {}) == "csrf-session"


def test_a_planted_cookie_beside_the_token_proves_nothing(client: TestClient) -> None:
    client.cookies["csrf_token"] = client.cookies["X-CSRF-Token"] = token = new_token("planted")
    assert outcome(client, {"x-csrf-token": token}) == "csrf-token-invalid"


def test_without_a_session_cookie_there_is_nothing_to_forge_but_a_login() -> None:
    with TestClient(make(), origin=None) as stranger:
        assert outcome(stranger, {}) == "paid"
        assert outcome(stranger, {"sec-fetch-site": "same-origin"}) == "paid"
        assert outcome(stranger, {"sec-fetch-site": "same-origin", "x-csrf-token": "old"}) == "paid"
        assert outcome(stranger, {"sec-fetch-site": "cross-site"}) == "csrf-cross-site"
        assert outcome(stranger, {"origin": "https://evil.test"}) == "csrf-origin"
        assert outcome(stranger, {"origin": "null"}) == "csrf-token-missing"


# Where the token is looked for


def test_a_form_field_carries_the_token(client: TestClient) -> None:
    token = client.get("/bank/token").json()
    fields = {"csrf_token": token, "to": "Ada"}
    assert client.post("/bank/form", data=fields).json() == fields
    assert client.post("/bank/form", data=fields, files={"file": b"x"}).json()["to"] == "Ada"
    assert outcome(client, {}, "/bank/form", data={"csrf_token": new_token("x")}) == "csrf-token-invalid"
    assert outcome(client, {}, "/bank/form", data={"csrf_token": ""}) == "csrf-token-invalid"
    assert outcome(client, {}, "/bank/form", data={"to": "Mallory"}) == "csrf-token-missing"
    assert outcome(client, {}, "/bank/form", files={"csrf_token": token.encode()}) == "csrf-token-missing"


def test_the_header_goes_before_the_field(client: TestClient) -> None:
    token = client.get("/bank/token").json()
    headers = {"x-csrf-token": new_token("x")}
    assert outcome(client, headers, "/bank/form", data={"csrf_token": token}) == "csrf-token-invalid"


def test_nothing_but_the_header_and_a_form_carries_it(client: TestClient) -> None:
    token = client.get("/bank/token").json()
    assert outcome(client, {}, f"/bank/pay?csrf_token={token}") == "csrf-token-missing"
    assert outcome(client, {}, json={"csrf_token": token}) == "csrf-token-missing"
    text = {"content-type": "text/plain"}
    assert outcome(client, text, content=f"csrf_token={token}") == "csrf-token-missing"


def test_a_body_that_the_handler_streams_is_left_to_it(client: TestClient) -> None:
    token = client.get("/bank/token").json()
    assert outcome(client, {}, "/bank/stream", data={"csrf_token": token}) == "csrf-token-missing"
    assert outcome(client, {"x-csrf-token": token}, "/bank/stream", data={"a": "b"}) == "3"


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("headers", "reads"),
    [
        ({"sec-fetch-site": "same-origin", "content-type": FORM}, 0),
        ({"origin": "http://example.com", "content-type": FORM}, 0),
        ({"sec-fetch-site": "cross-site", "content-type": FORM}, 0),
        ({"x-csrf-token": "wrong", "content-type": FORM}, 0),
        ({"content-type": "application/json"}, 0),
        ({"content-type": FORM}, 1),
    ],
)
async def test_the_body_is_read_only_where_the_token_must_be_in_it(headers: dict[str, str], reads: int) -> None:
    app = make()
    begun = await ask(app, "/bank/begin")
    cookie = (begun.header("set-cookie") or "").partition(";")[0]
    answer = await ask(app, "/bank/pay", method="POST", body=b"a=b", headers={**headers, "cookie": cookie})
    assert answer.read == reads


# Where it runs


def layers_of(app: App, method: str, path: str) -> list[Any]:
    (chain,) = [each for each in app._chains if (each.route.method, each.route.path) == (method, path)]
    return [layer for layer in chain.outer if isinstance(layer, CsrfLayer)]


def test_it_is_left_out_at_start_up_where_it_has_nothing_to_do() -> None:
    app = make()
    for method, path in [("GET", "/bank/token"), ("HEAD", "/bank/safe"), ("OPTIONS", "/bank/safe")]:
        assert layers_of(app, method, path) == []
    for path in ("/bank/hook", "/hooks/a", "/bank/off"):
        assert layers_of(app, "POST", path) == []
    assert len(layers_of(app, "POST", "/bank/pay")) == 1


def test_exempt_routes_take_what_comes(client: TestClient) -> None:
    evil = {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}
    assert [outcome(client, evil, path) for path in ("/bank/hook", "/hooks/a")] == ["noted", "noted"]


def test_a_controller_that_is_derived_from_an_exempt_one_is_not_exempt() -> None:
    @Controller("/derived")
    class Derived(Hooks):
        @Post("/b")
        async def b(self) -> str:
            return "changed"

    @CsrfExempt
    @Controller("/too")
    class ExemptToo(Hooks): ...

    @Controller("/inherits")
    class Inherits(Bank): ...

    layers = [session(SECRET, save_uninitialized=False), csrf()]
    app = bootstrap([Module("x", controllers=[Bank, Hooks, Derived, ExemptToo, Inherits])], layers)
    evil = {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}
    with TestClient(app, origin=None) as client:
        for path in ("/derived/a", "/derived/b", "/inherits/pay"):
            assert outcome(client, evil, path) == "csrf-cross-site"
        for path in ("/hooks/a", "/too/a", "/inherits/hook"):  # a handler stays what it says of itself
            assert outcome(client, evil, path) == "noted"


def test_it_can_stand_on_one_controller() -> None:
    @Use(csrf())
    @Controller("/x")
    class Inner:
        @Post()
        async def change(self) -> str:
            return "changed"

    app = bootstrap([Module("x", controllers=[Inner, Bank])], [session(SECRET)])
    with TestClient(app, origin=None) as client:
        client.get("/bank/token")
        assert outcome(client, {}, "/x") == "csrf-token-missing"
        assert outcome(client, {}, "/bank/pay") == "paid"


def test_outside_of_the_cookies_path_the_browser_is_still_asked() -> None:
    with TestClient(make(cookie={"path": "/elsewhere"}), origin=None) as client:
        assert outcome(client, {"sec-fetch-site": "cross-site"}) == "csrf-cross-site"
        assert outcome(client, {}) == "paid"


# What it costs


async def test_reading_the_token_of_a_session_writes_nothing() -> None:
    store = MemoryStore()
    app = make(store=store)
    calls = calls_to(store)
    begun = await ask(app, "/bank/begin")
    assert calls == ["create"]
    cookie = {"cookie": (begun.header("set-cookie") or "").partition(";")[0]}
    again = await ask(app, "/bank/token", headers=cookie)
    assert calls == ["create", "load"]
    assert again.header("set-cookie") is None
    quiet = await ask(app, "/bank/quiet", headers=cookie)
    assert (quiet.json(), calls) == (False, ["create", "load", "load"])
    passed = await ask(app, "/bank/pay", method="POST", headers={**cookie, "x-csrf-token": again.json()})
    assert (passed.status, calls) == (200, ["create", "load", "load", "load"])


def test_what_kick_keeps_is_not_among_the_data(client: TestClient) -> None:
    @Controller("/x")
    class Data:
        @Get()
        async def show(self, ctx: RequestContext) -> list[Any]:
            token = ctx.session.csrf_token
            await ctx.session.save()
            return [dict(ctx.session), len(ctx.session), is_token_of(ctx.session.id, token)]

    with TestClient(bootstrap([Module("x", controllers=[Data])], [session(SECRET)]), origin=None) as other:
        assert other.get("/x").json() == [{}, 0, True]


class Down(MemoryStore):
    async def load(self, key: str) -> Any:
        raise ConnectionError("down")


@pytest.mark.parametrize(("policy", "status"), [("error", 503), ("anonymous", 403)])
def test_a_store_that_is_down_lets_nothing_pass_that_needs_a_token(policy: str, status: int) -> None:
    with TestClient(make(), origin=None) as client:
        client.get("/bank/begin")
        cookie = client.cookies["kick.sid"]
    with TestClient(make(store=Down(), on_store_error=policy), cookies={"kick.sid": cookie}, origin=None) as client:
        assert client.post("/bank/pay", headers={"x-csrf-token": "x"}).status_code == status
        assert client.post("/bank/pay", headers={"sec-fetch-site": "same-origin"}).status_code == 200


# Templates


def test_templates_have_the_token_and_the_field(tmp_path: Path) -> None:
    (tmp_path / "pay.html").write_text('<form>{{ csrf_input() }}</form><meta content="{{ csrf_token() }}">')

    @Controller("/page")
    class Pages:
        @Get()
        async def page(self, ctx: RequestContext) -> Any:
            return ctx.render("pay.html")

    layers = [session(SECRET, save_uninitialized=False), csrf()]
    app = bootstrap([Module("x", controllers=[Pages, Bank])], layers, templates=tmp_path)
    with TestClient(app, origin=None) as client:
        page = client.get("/page").text
        tokens = re.findall(r'<input type="hidden" name="csrf_token" value="([\w-]{86})"></form>', page)
        tokens += re.findall(r'<meta content="([\w-]{86})">', page)
        assert len(set(tokens)) == 2
        assert [outcome(client, {"x-csrf-token": token}) for token in tokens] == ["paid", "paid"]
        assert client.post("/bank/form", data={"csrf_token": tokens[0]}).status_code == 200
