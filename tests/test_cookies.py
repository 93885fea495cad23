"""Reading what clients send as cookies, whatever it is, and writing what browsers keep."""

from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick import Controller, Get, RequestContext
from kick.cookies import attribute_problem, cookies_by_name, decode_value, format_cookie, is_token, parse_cookies
from kick.http import cookie_parser
from kick.session import session
from kick.signing import CookieSigner, Signer
from tests.http.support import app_of, ask
from tests.support.costs import assert_costs_at_most
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
OLD = "the secret that it takes over from"


def read(header: str) -> dict[str, str]:
    return cookies_by_name(parse_cookies(header))


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2", {"a": "1", "b": "2"}),
        (" \ta = 1 \t; b=2 ", {"a": "1", "b": "2"}),
        ("a=first; a=second", {"a": "first"}),
        ("A=1; a=2", {"A": "1", "a": "2"}),
        ("a=", {"a": ""}),
        ("a==b=c", {"a": "=b=c"}),
        ('a="quoted"', {"a": "quoted"}),
        ('a="', {"a": '"'}),
        ('a=""', {"a": ""}),
        ('a="half', {"a": '"half'}),
        ('a=x"y"', {"a": 'x"y"'}),
        ("a=caf%C3%A9", {"a": "café"}),
        ("a=%2525", {"a": "%25"}),
        ("a=1+1", {"a": "1+1"}),
        ("a=100%", {"a": "100%"}),
        ("a=%zz", {"a": "%zz"}),
        ("a=%FF", {"a": "\ufffd"}),
        ("a=s%3Aid.sig", {"a": "s:id.sig"}),
        ("a=j%3A%7B%7D", {"a": "j:{}"}),
        ("broken; a=1", {"a": "1"}),
        ("=nameless; a=1", {"a": "1"}),
        (";;; ;a=1;;", {"a": "1"}),
        ("a b=1; c=2", {"a b": "1", "c": "2"}),
        ("a=1, b=2", {"a": "1, b=2"}),
        ("$Version=1; a=1", {"$Version": "1", "a": "1"}),
        ("__proto__=1; constructor=2", {"__proto__": "1", "constructor": "2"}),
        ("\xa0__Host-sid=evil; __Host-sid=good", {"\xa0__Host-sid": "evil", "__Host-sid": "good"}),
        ("\x0b__Host-sid=evil", {"\x0b__Host-sid": "evil"}),
        ("\x85sid=evil", {"\x85sid": "evil"}),
        ("na\xc3\xafve=caf\xc3\xa9", {"naïve": "café"}),
        ("na\xefve=caf\xe9", {"naïve": "café"}),
        ("\xc3\xa4=first; \xe4=second", {"ä": "first"}),
        ("\xe2\x82\xac=\xe2\x82\xac", {"€": "€"}),
        ("\xc2\xa0__Host-sid=evil", {"\xa0__Host-sid": "evil"}),
        ("a=caf\xc3\xa9", {"a": "café"}),
        ("a=caf\xe9", {"a": "caf\xe9"}),
    ],
)
def test_a_header_is_read_and_what_is_malformed_is_left_out(header: str, cookies: dict[str, str]) -> None:
    assert read(header) == cookies


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=255)))
def test_no_header_raises(header: str) -> None:
    cookies = read(header)
    assert all(isinstance(value, str) for value in cookies.values())
    assert not any(";" in name or "=" in name or name != name.strip(" \t") for name in cookies)


@settings(deadline=None)
@given(st.text())
def test_no_value_raises(value: str) -> None:
    assert isinstance(decode_value(value), str)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["%", "%4", "%41", "%c3", "%A9", "%zz", "a", "\xe9", "\u20ac"])).map("".join))
def test_a_value_is_decoded_as_the_standard_library_decodes_it(value: str) -> None:
    assert decode_value(value) == unquote(value)


@pytest.mark.parametrize("unit", ["%", "%4", "%4g", "%c3%", "\xe9%"])
def test_a_value_of_any_characters_costs_no_more_than_one_that_is_encoded(unit: str) -> None:
    """A header of 60 KB with percent signs took 58 ms, five times one that is encoded."""
    evil, usual = f"a={unit * (60_000 // len(unit))}", f"a={'%41' * 20_000}"
    assert_costs_at_most(2, lambda: read(evil), lambda: read(usual))


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from(';=", \t%2\\"\xa0ax'))).map("".join))
def test_neighbours_are_not_disturbed(garbage: str) -> None:
    assert dict(reversed(parse_cookies(f"{garbage};kick.sid=mine")))["kick.sid"] is not None
    assert ("kick.sid", "mine") in parse_cookies(f"{garbage};kick.sid=mine")
    assert parse_cookies(f"kick.sid=mine;{garbage}")[0] == ("kick.sid", "mine")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["a=1;", ";", "=", '"', "a=\\", 'a="\\', "%", "a=%41", " ", "\t ;", "a", "\\011", 'a="b\\";', "é=é;"],
    ids=repr,
)
def test_reading_takes_time_in_proportion_to_the_length(piece: str) -> None:
    small, large = (piece * (size // len(piece)) for size in (60_000, 480_000))
    assert_costs_at_most(20, lambda: read(large), lambda: read(small))


@settings(deadline=None)
@given(
    st.text("abcXYZ!#$%&'*+-.^_`|~019", min_size=1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
def test_what_is_written_is_read_back(name: str, value: str) -> None:
    header = format_cookie(name, value, secure=True)
    assert header.isascii()
    assert header.isprintable()
    pair = header.partition("; ")[0]
    assert read(f"x=1; {pair}; y=2") == {"x": "1", name: value, "y": "2"} or name in ("x", "y")


@pytest.mark.parametrize(
    ("max_age", "attribute"),
    [
        (60, "Max-Age=60"),
        (0.2, "Max-Age=1"),
        (timedelta(hours=1), "Max-Age=3600"),
        (0, "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        (-5, "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
    ],
)
def test_the_age_of_a_cookie(max_age: Any, attribute: str) -> None:
    assert format_cookie("a", "1", max_age=max_age) == f"a=1; {attribute}; Path=/; SameSite=Lax"


@pytest.mark.parametrize(
    "options",
    [
        {"name": "a b"},
        {"name": ""},
        {"name": "a;b"},
        {"name": "a=b"},
        {"name": "a\r\n"},
        {"name": "é"},
        {"path": "x"},
        {"path": "/;secure"},
        {"path": "/\r\n"},
        {"path": ""},
        {"domain": "a b"},
        {"domain": "a;b"},
        {"domain": ""},
        {"domain": "a..b"},
        {"domain": "..b"},
        {"domain": "a.-b"},
        {"domain": "a-.b"},
        {"domain": "a.b."},
        {"domain": "a." + "b" * 64},
        {"domain": ".".join(["a" * 60] * 5)},
        {"path": "/" + "x" * 1024},
        {"name": "a" * 1025},
        {"same_site": "Lax; x"},
        {"same_site": "none"},
        {"partitioned": True},
        {"name": "__Secure-a"},
        {"name": "__Host-a", "secure": True, "path": "/x"},
        {"name": "__Host-a", "secure": True, "domain": "example.com"},
        {"name": "__host-a"},
        {"max_age": float("nan")},
        {"max_age": float("inf")},
    ],
)
def test_a_cookie_that_browsers_refuse_is_not_written(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        format_cookie(options.pop("name", "a"), "1", **options)


@pytest.mark.parametrize("domain", ["example.com", ".example.com", "a-b.example", "localhost", "127.0.0.1", "b" * 63])
def test_the_name_of_a_host_is_a_domain(domain: str) -> None:
    assert f"; Domain={domain};" in format_cookie("a", "1", domain=domain)


@pytest.mark.parametrize(("unit", "bytes_each"), [("x", 1), (" ", 3), ("€", 9)])
def test_a_cookie_may_have_4096_bytes_with_its_attributes_and_no_more(unit: str, bytes_each: int) -> None:
    options: dict[str, Any] = {"max_age": 60, "secure": True, "http_only": True, "path": "/app"}
    room = 4096 - len(format_cookie("a", "", **options))
    value = unit * (room // bytes_each)
    longest = format_cookie("a", value + "x" * (room % bytes_each), **options)
    assert len(longest) == 4096
    with pytest.raises(ValueError, match=r"the cookie 'a' has 4,097 bytes .* in the session"):
        format_cookie("a", value + "x" * (room % bytes_each + 1), **options)


async def test_a_cookie_that_is_too_long_is_an_error_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    @Controller()
    class Setting:
        @Get("/{kind}")
        async def set(self, ctx: RequestContext, kind: str) -> None:
            ctx.set_cookie("basket", "x" * 4050, signed=kind == "signed")

    app = app_of(Setting, middleware=[cookie_parser(SECRET)])
    answer = await ask(app, "/signed")
    assert (answer.status, answer.all("set-cookie")) == (500, [])
    assert "the cookie 'basket' has 4," in caplog.text
    assert (await ask(app, "/plain")).status == 204


def test_a_cookie_that_browsers_take_has_no_problem() -> None:
    fine: dict[str, Any] = {"path": "/", "domain": None, "secure": True, "same_site": "none", "partitioned": True}
    assert attribute_problem("__Host-a", **fine) is None
    assert is_token("kick.sid")


async def test_several_headers_are_one() -> None:
    @Controller()
    class Cookies:
        @Get()
        async def show(self, ctx: RequestContext) -> Any:
            return ctx.cookies

    answer = await ask(app_of(Cookies), "/", headers=[("cookie", "a=1; b=2"), ("cookie", "b=3; c=4")])
    assert answer.json() == {"a": "1", "b": "2", "c": "4"}


# Signed cookies


@Controller()
class Signed:
    @Get()
    async def show(self, ctx: RequestContext) -> Any:
        return ctx.signed_cookies


async def signed_cookies(cookie: str, secret: Any = SECRET, *, accept_express: bool = False) -> Any:
    app = app_of(Signed, middleware=[cookie_parser(secret=secret, accept_express=accept_express)])
    return (await ask(app, "/", headers=[("cookie", cookie)])).json()


async def test_signed_cookies_are_checked() -> None:
    signed = CookieSigner(SECRET).sign("cart", "42")
    assert await signed_cookies(f"cart={signed}") == {"cart": "42"}
    assert await signed_cookies(f"cart={signed.replace(':', '%3A')}; plain=1") == {"cart": "42"}
    for tampered in (
        signed.replace("42", "43"),
        signed[:-1] + ("A" if signed[-1] != "A" else "B"),
        signed + "x",
        signed[:-1],
        signed.removeprefix("s:"),
        "s:",
        "s:.",
        "s:42.",
        "s:42." + "é" * 43,
        f"s:{Signer(SECRET).sign('42')}",
        f"s:{Signer(SECRET).sign('4:cart:42')[7:]}",
        CookieSigner(OLD).sign("cart", "42"),
    ):
        assert await signed_cookies(f"cart={tampered}") == {}, tampered


async def test_the_secret_may_change() -> None:
    old = f"cart={CookieSigner(OLD).sign('cart', '42')}"
    assert await signed_cookies(old, [SECRET, OLD]) == {"cart": "42"}
    assert await signed_cookies(old, SECRET) == {}


@pytest.mark.parametrize("accept_express", [False, True])
async def test_a_signed_cookie_is_worth_nothing_under_another_name(accept_express: bool) -> None:
    signed = CookieSigner(SECRET).sign("nick", "admin")
    for name in ("role", "NICK", "nick2", "nic", "nickadmin", "__Host-nick"):
        assert await signed_cookies(f"{name}={signed}", accept_express=accept_express) == {}, name
    # No part of the value makes up for the name, and none of the name for the value.
    assert CookieSigner(SECRET).verify("a", CookieSigner(SECRET).sign("a\0b", "c").replace("s:", "s:b\0")) is None
    assert CookieSigner(SECRET).verify("a\0b", CookieSigner(SECRET).sign("a", "b\0c").replace("b\0", "")) is None


async def test_the_cookie_of_a_session_is_no_signed_cookie_and_the_other_way_round() -> None:
    @Controller()
    class Both:
        @Get("/log-in")
        async def log_in(self, ctx: RequestContext) -> None:
            ctx.session.data["user"] = "eve"
            ctx.set_cookie("chosen", ctx.session.id, signed=True)

        @Get("/me")
        async def me(self, ctx: RequestContext) -> Any:
            return [ctx.session.data.get("user"), ctx.signed_cookies]

    app = app_of(Both, middleware=[cookie_parser(SECRET), session(SECRET, save_uninitialized=False)])
    cookies = dict(each.partition(";")[0].split("=", 1) for each in (await ask(app, "/log-in")).all("set-cookie"))
    assert (await ask(app, "/me", headers={"cookie": f"kick.sid={cookies['kick.sid']}"})).json() == ["eve", {}]
    assert (await ask(app, "/me", headers={"cookie": f"role={cookies['kick.sid']}"})).json() == [None, {}]
    assert (await ask(app, "/me", headers={"cookie": f"kick.sid={cookies['chosen']}"})).json() == [None, {}]


async def test_cookies_of_the_npm_package_are_read_where_that_is_asked_for() -> None:
    # encodeURIComponent("s:" + require("cookie-signature").sign(value, SECRET)), as cookie-parser and express write it
    for value, sent in {
        "42": "s%3A42.kkIq5qJu6qqLb4qqzlpIB8vY%2FxH31BvNKIyYZeb0%2F%2BA",
        "Käse": "s%3AK%C3%A4se.5ys5Nf6M5ELqqI5od3kkfZNpgsPEcBSDL%2FE9qDq8z9o",
    }.items():
        assert await signed_cookies(f"cart={sent}", accept_express=True) == {"cart": value}
        assert await signed_cookies(f"cart={sent}") == {}


def test_a_parser_without_a_good_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with raises_code("secret-missing"):
        cookie_parser(secret="")
    monkeypatch.setenv("KICK_ENV", "production")
    with raises_code("secret-weak"):
        cookie_parser(secret="short")
