"""Section 3 of the contract: which cookies are taken, and which are sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick import Response
from kick.session import CookieOptions
from kick.session.cookie import SessionCookie
from kick.session.ids import generate_id, key_of
from kick.signing import Signer
from tests.session.harness import SECRET, Browser, Site, setting
from tests.support.costs import assert_awaiting_costs_at_most

OLD_SECRET = "the secret before, more than 32 bytes long too"


def sign_like_express(session_id: str, secret: str = SECRET) -> str:
    """What cookie-signature makes of an id: standard base64 without padding."""
    digest = hmac.new(secret.encode(), session_id.encode(), hashlib.sha256).digest()
    return f"s:{session_id}.{base64.b64encode(digest).decode().rstrip('=')}"


async def login(browser: Browser) -> None:
    await browser.visit(setting(user_id=7))


def session_id(browser: Browser) -> str:
    assert browser.cookie is not None
    return browser.cookie.removeprefix("s:").partition(".")[0]


async def test_the_cookie_is_s_id_dot_signature_with_the_default_attributes(browser: Browser) -> None:
    answer = await browser.visit(setting(a=1))
    value, _, attributes = answer.cookies[0].partition("; ")
    assert attributes == "Max-Age=86400; Path=/; HttpOnly; SameSite=Lax"
    name, _, signed = value.partition("=")
    assert name == "kick.sid"
    text, _, signature = signed.partition(".")
    digest = hmac.new(SECRET.encode(), text.removeprefix("s:").encode(), hashlib.sha256).digest()
    assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_every_attribute_can_be_chosen_and_destroy_repeats_them() -> None:
    site = Site(
        cookie={"secure": True, "same_site": "strict", "path": "/app", "domain": "example.com", "partitioned": True},
        max_age=timedelta(minutes=1),
    )
    browser = Browser(site)
    made = await browser.visit(setting(a=1), path="/app/inner")
    attributes = "Path=/app; Domain=example.com; HttpOnly; Secure; SameSite=Strict; Partitioned"
    assert made.cookies[0].endswith(f"; Max-Age=60; {attributes}")

    async def destroy(session: Any) -> None:
        await session.destroy()

    gone = await browser.visit(destroy, path="/app/inner")
    assert gone.cookies == [f"kick.sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {attributes}"]


async def test_destroy_sends_nothing_when_no_cookie_came(browser: Browser) -> None:
    async def destroy(session: Any) -> None:
        await session.destroy()

    assert (await browser.visit(destroy)).cookies == []


async def test_destroyed_twice_is_as_good_as_once(browser: Browser) -> None:
    await login(browser)

    async def destroy_twice(session: Any) -> Any:
        await session.destroy()
        await session.destroy()
        return await session.save()

    answer = await browser.visit(destroy_twice)
    assert answer.value is False
    assert answer.session_cookie == ""
    assert await browser.data() == {}


async def test_a_logged_out_cookie_replayed_is_anonymous(site: Site, browser: Browser) -> None:
    await login(browser)
    thief = browser.twin()

    async def destroy(session: Any) -> None:
        await session.destroy()

    await browser.visit(destroy)
    answer = await thief.visit(lambda session: (dict(session.data), session.is_new))
    assert answer.value == ({}, True)
    assert answer.cookies == []
    assert "unknown_id" in site.events


@pytest.mark.parametrize("encode", [lambda value: value, lambda value: quote(value, safe=""), quote])
async def test_a_cookie_that_express_session_signed_verifies(browser: Browser, encode: Any) -> None:
    await login(browser)
    browser.cookie = encode(sign_like_express(session_id(browser)))
    assert await browser.data() == {"user_id": 7}


async def test_an_id_that_the_store_does_not_know_is_never_adopted(site: Site) -> None:
    planted = "an-id-that-somebody-else-has-chosen"
    browser = Browser(site, f"s:{Signer(SECRET).sign(planted)}")

    def act(session: Any) -> Any:
        session.data["user_id"] = 7
        return session.id

    answer = await browser.visit(act)
    assert answer.value != planted
    assert session_id(browser) == answer.value
    assert "unknown_id" in site.events


def tampered(signed: str) -> list[str]:
    body, _, signature = signed.rpartition(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    return [
        "",
        ".",
        "s:",
        "s:.",
        signed.removeprefix("s:"),
        signed[:-1],
        signed + "=",
        signed + "A",
        f"{body}.",
        f"{body}.{flipped}",
        f"{body}.{signature[:-1]}*",
        f"{body}.{signature.upper()}",
        f"{body}.{'é' * 43}",
        f"s:{generate_id()}.{signature}",
        f"s:x{body[2:]}.{signature}",
        "S:" + signed[2:],
        f"s:{body[2:]}\0.{signature}",
        "s:" + "A" * 5000,
        sign_like_express(body[2:], "another secret that is not ours, at all"),
    ]


async def test_whatever_is_not_signed_by_us_counts_as_no_cookie(browser: Browser) -> None:
    await login(browser)
    assert browser.cookie is not None
    for value in tampered(browser.cookie):
        answer = await Browser(browser.site, value).visit(lambda session: (dict(session.data), session.is_new))
        assert answer.status == 200, value
        assert answer.value == ({}, True), value
        assert answer.cookies == [], value


@pytest.mark.parametrize("form", ["short", "x" * 200, "../../etc/passwd-of-someone", "a b c d e f g h i j k", "é" * 24])
async def test_a_signed_text_that_has_not_the_form_of_an_id_reaches_no_store(form: str) -> None:
    asked: list[str] = []

    class Watching:
        async def get(self, sid: str) -> None:
            asked.append(sid)

        async def set(self, sid: str, data: Any, max_age: float) -> None: ...

        async def destroy(self, sid: str) -> None: ...

    answer = await Browser(Site(Watching()), f"s:{Signer(SECRET).sign(form)}").visit(lambda session: len(session.data))
    assert answer.value == 0
    assert asked == []


@settings(deadline=None)
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=200))
def test_no_cookie_value_raises(value: str) -> None:
    cookie = SessionCookie("kick.sid", Signer(SECRET), CookieOptions())
    for each in (value, f"s:{value}"):
        assert cookie.read([(b"cookie", f"kick.sid={each}".encode("latin-1"))]) == ()


NASTY: list[Callable[[int], str]] = [
    lambda length: "kick.sid=s:" + "." * length,
    lambda length: "kick.sid=s%3A" + "%41" * (length // 3),
    lambda length: "kick.sid=" + '"' * length,
    lambda length: "kick.sid=s:x.y; " * (length // 16),
    lambda length: "kick.sid" + "=" * length,
    lambda length: "; " * (length // 2),
    lambda length: " " * length + "kick.sid=s:x.y" + "\t" * length,
]


@pytest.mark.slow
@pytest.mark.parametrize("header", NASTY)
async def test_reading_is_linear_in_the_length_of_the_header(header: Callable[[int], str]) -> None:
    site = Site()

    async def read(cookie: str) -> None:
        assert (await site.request(lambda session: session.is_new, cookie=cookie)).value is True

    large, small = header(1 << 19), header(1 << 16)
    await assert_awaiting_costs_at_most(20, lambda: read(large), lambda: read(small))


def test_what_a_cookie_says_is_shown_without_the_id() -> None:
    cookie = SessionCookie("kick.sid", Signer(SECRET), CookieOptions())
    session_id = generate_id()
    value = cookie.issue(session_id, 60.0).partition(b";")[0]
    (claim, *_) = cookie.read([(b"cookie", value)])
    assert claim is not None
    assert claim.session_id == session_id
    assert session_id[4:] not in f"{claim!r} {claim} {[claim]}"


async def test_the_first_cookie_of_the_name_with_a_valid_signature_counts(browser: Browser) -> None:
    await login(browser)
    header = f"kick.sid=forged; broken;; =; kick.sid={browser.cookie}; kick.sid=s:other.sig; theme=dark"
    answer = await browser.site.request(lambda session: dict(session.data), cookie=header)
    assert answer.value == {"user_id": 7}


@pytest.mark.parametrize(
    "header", ["\xa0kick.sid={}", "Kick.sid={}", "kick.sid\x0b={}", "xkick.sid={}", "kick.sid ={}x", "a=kick.sid={}"]
)
async def test_names_match_exactly(browser: Browser, header: str) -> None:
    await login(browser)
    answer = await browser.site.request(lambda session: dict(session.data), cookie=header.format(browser.cookie))
    assert answer.value == {}


async def test_the_store_sees_only_the_hash_of_the_id(site: Site, browser: Browser) -> None:
    seen: list[str] = []
    load = site.store.load

    def watching(key: str) -> Any:
        seen.append(key)
        return load(key)

    site.store.load = watching
    await login(browser)
    await browser.data()
    assert seen == [key_of(session_id(browser))]
    assert session_id(browser)[4:] not in seen[0]
    digest = base64.urlsafe_b64encode(hashlib.sha256(session_id(browser).encode()).digest()).decode().rstrip("=")
    assert seen[0] == f"{{{session_id(browser)[:4]}}}:{digest}"


async def test_a_cookie_signed_with_an_older_secret_is_issued_anew() -> None:
    store = Site(secret=OLD_SECRET).store
    browser = Browser(Site(store, secret=OLD_SECRET))
    await login(browser)
    rotated = browser.twin(Site(store, secret=[SECRET, OLD_SECRET]))
    answer = await rotated.visit(lambda session: session.data["user_id"])
    assert answer.value == 7
    assert rotated.cookie == f"s:{Signer(SECRET).sign(session_id(browser))}"
    assert (await rotated.visit()).cookies == [], "once"
    assert await rotated.twin(Site(store, secret=SECRET)).data() == {"user_id": 7}


async def test_a_bytes_secret_equals_the_same_text(browser: Browser) -> None:
    await login(browser)
    assert await browser.twin(Site(browser.site.store, secret=SECRET.encode())).data() == {"user_id": 7}


async def test_a_visitor_who_never_writes_costs_no_store_call_and_gets_no_cookie(site: Site, browser: Browser) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the store was asked")

    for name in ("load", "create", "commit", "touch", "move", "destroy"):
        setattr(site.store, name, refuse)
    answer = await browser.visit(lambda session: session.data.get("user_id"))
    assert answer.status == 200
    assert answer.cookies == []


async def test_with_save_uninitialized_an_untouched_session_is_stored(store: Any) -> None:
    site = Site(store, save_uninitialized=True)
    browser = Browser(site)
    assert (await browser.visit()).session_cookie
    assert site.events == ["created"]
    assert (await browser.visit(lambda session: session.is_new)).value is False
    assert (await browser.visit()).cookies == []


async def test_a_switched_off_route_has_no_store_call_and_no_cookie(site: Site, browser: Browser) -> None:
    await login(browser)

    def refuse(*_: Any) -> Any:
        raise AssertionError("the store was asked")

    site.store.load = refuse
    answer = await site.request(lambda _: None, cookie=f"kick.sid={browser.cookie}", path="/off")
    assert answer.status == 200
    assert answer.cookies == []
    assert answer.all("vary") == []


@pytest.mark.parametrize(("path", "has_session"), [("/app/inner", True), ("/application", False), ("/", False)])
async def test_outside_of_the_path_of_the_cookie_there_is_no_session(path: str, has_session: bool) -> None:
    answer = await Browser(Site(cookie={"path": "/app"})).visit(setting(a=1), path=path)
    assert (answer.status == 200) is has_session
    assert (answer.session_cookie is not None) is has_session


async def test_a_response_that_read_the_session_varies_by_cookie(browser: Browser) -> None:
    await login(browser)
    answer = await browser.visit(lambda session: session.data.get("user_id"))
    assert answer.all("vary") == ["Cookie"]
    assert answer.all("cache-control") == []


async def log_in(browser: Browser) -> None:
    def act(session: Any) -> None:
        session.principal = 7

    await browser.visit(act)


async def test_a_response_for_a_logged_in_user_is_not_stored(browser: Browser) -> None:
    """Or the back button would show it after the logout."""
    await log_in(browser)
    answer = await browser.visit(lambda session: session.principal)
    assert answer.all("cache-control") == ["no-store"]
    anonymous = await browser.visit(lambda ctx: ctx.path, wants_context=True)
    assert anonymous.all("cache-control") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache-control", "private, max-age=60"),
        ("cache-control", "no-cache"),
        ("etag", '"1"'),
        ("last-modified", "Mon, 02 Nov 2026 00:00:00 GMT"),
    ],
)
async def test_unless_it_says_how_it_is_stored(browser: Browser, name: str, value: str) -> None:
    """What can be asked for again stays in the cache of the browser, which asks each time."""
    await log_in(browser)

    def act(ctx: Any) -> Any:
        assert ctx.session.principal == "7"
        response = ctx.json({})
        response.headers[name] = value
        return response

    answer = await browser.visit(act, wants_context=True)
    assert answer.all("cache-control") == ([value] if name == "cache-control" else ["private, no-cache"])


async def test_a_response_that_did_not_is_left_alone(site: Site, browser: Browser) -> None:
    await login(browser)
    answer = await browser.visit(lambda ctx: ctx.path, wants_context=True)
    assert answer.all("vary") == []
    assert answer.cookies == []


async def test_a_response_that_sets_the_cookie_is_not_stored_by_caches(browser: Browser) -> None:
    def act(ctx: Any) -> Any:
        ctx.session.data["a"] = 1
        ctx.set_header("Cache-Control", "public, max-age=3600")
        ctx.set_header("Vary", "Accept-Encoding")
        response = ctx.json({})
        response.headers["cache-control"] = "public"
        response.headers["vary"] = "Accept"
        return response

    answer = await browser.visit(act, wants_context=True)
    assert answer.session_cookie
    assert answer.all("cache-control") == ["no-store"]
    assert "Cookie" in answer.all("vary")[0]


async def test_a_response_that_two_requests_return_carries_nothing_from_one_to_the_other(site: Site) -> None:
    shared = Response(b"the same for all")

    def act(ctx: Any) -> Any:
        ctx.session.data["user"] = "ann"
        ctx.set_cookie("mine", "ann")
        return shared

    assert len((await site.request(act, wants_context=True)).cookies) == 2
    answer = await site.request(lambda _: shared, wants_context=True)
    assert answer.body == b"the same for all"
    assert (answer.cookies, answer.all("vary"), answer.all("cache-control")) == ([], [], [])


async def test_other_cookies_keep_their_order_beside_ours(browser: Browser) -> None:
    def act(ctx: Any) -> Any:
        ctx.set_cookie("first", "1")
        ctx.session.data["a"] = 1
        ctx.set_cookie("second", "2")

    answer = await browser.visit(act, wants_context=True)
    assert [each.partition("=")[0] for each in answer.cookies if "kick" not in each] == ["first", "second"]
    assert answer.session_cookie


@pytest.mark.long
async def test_a_hundred_thousand_ids_are_distinct() -> None:
    ids = {generate_id() for _ in range(100_000)}
    assert len(ids) == 100_000
    assert {len(each) for each in ids} == {36}
    assert len({each[4:] for each in ids}) == 100_000
    drawn = [int.from_bytes(base64.urlsafe_b64decode(each[4:])) for each in ids]
    ones = [sum(number >> bit & 1 for number in drawn) for bit in range(192)]
    assert min(ones) > 49_000, "no bit is known: six deviations of a fair coin are 950"
    assert max(ones) < 51_000


async def test_an_id_that_is_taken_is_not_used_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["a" * 36, "a" * 36, "b" * 36])
    monkeypatch.setattr("kick.session.state.generate_id", lambda: next(ids))
    first, second = Browser(site), Browser(site)
    await first.visit(setting(n=1))
    await second.visit(setting(n=2))
    assert (session_id(first), session_id(second)) == ("a" * 36, "b" * 36)
    assert await first.data() == {"n": 1}


async def test_ids_that_are_taken_one_after_the_other_are_not_used_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer is not mistaken for a repetition of the first call."""
    ids = iter(["a" * 36, "c" * 36, "a" * 36, "c" * 36, "b" * 36])
    monkeypatch.setattr("kick.session.state.generate_id", lambda: next(ids))
    browsers = [Browser(site) for _ in range(3)]
    for number, browser in enumerate(browsers):
        await browser.visit(setting(n=number))
    assert [session_id(browser)[0] for browser in browsers] == ["a", "c", "b"]
    assert [await browser.data() for browser in browsers] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_a_new_id_that_is_taken_is_not_used_by_regenerate(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Browser(site), Browser(site)
    await first.visit(setting(n=1))
    await second.visit(setting(n=2))
    ids = iter([session_id(first), "a" * 36])
    monkeypatch.setattr("kick.session.ids.generate_successor", lambda _: next(ids))

    async def regenerate(session: Any) -> None:
        await session.regenerate()

    await second.visit(regenerate)
    assert session_id(second) == "a" * 36
    assert [await first.data(), await second.data()] == [{"n": 1}, {"n": 2}]


async def test_a_cookie_that_was_verified_before_is_worth_no_more_than_its_session(browser: Browser) -> None:
    await login(browser)
    stolen = browser.cookie
    assert await browser.data() == {"user_id": 7}
    await browser.visit(lambda session: session.destroy())
    assert await Browser(browser.site, stolen).data() == {}


def lines(value: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"example.com"), (b"cookie", value)]


def test_no_more_cookies_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kick.session.cookie.REMEMBERED", 8)
    cookie = SessionCookie("kick.sid", Signer(SECRET), CookieOptions())
    sent = [cookie.issue(generate_id(), 60).partition(b";")[0] for _ in range(20)]
    for value in [*sent, *sent]:
        (claim, *_) = cookie.read(lines(value))
        assert claim is not None
        assert value.startswith(f"kick.sid=s:{claim.session_id}.".encode())
        assert claim.key == key_of(claim.session_id)
        assert len(cookie._claims) <= 8
    assert cookie.read(lines(sent[0] + b"x")) == ()


def test_the_cookies_of_two_headers_are_read_in_their_order() -> None:
    cookie = SessionCookie("kick.sid", Signer(SECRET), CookieOptions())
    ids = [generate_id() for _ in range(4)]
    headers = [(b"cookie", cookie.issue(each, 60).partition(b";")[0]) for each in ids]
    for _ in range(2):
        assert [claim.session_id for claim in cookie.read(headers)] == ids
        assert [claim.session_id for claim in cookie.read([headers[0], *headers])] == ids


def test_a_header_that_came_before_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kick.session.cookie.REMEMBERED", 8)
    cookie = SessionCookie("kick.sid", Signer(SECRET), CookieOptions())
    sent = [cookie.issue(generate_id(), 60).partition(b";")[0] for _ in range(8)]
    found = [cookie.read(lines(value)) for value in sent]
    monkeypatch.setattr(Signer, "verify", lambda *_: pytest.fail("verified again"))
    assert [cookie.read(lines(value)) for value in sent] == found


def test_a_header_that_is_longer_than_most_is_read_and_not_remembered() -> None:
    cookie = SessionCookie("kick.sid", Signer(SECRET), CookieOptions())
    value = cookie.issue(generate_id(), 60).partition(b";")[0]
    first = cookie.read(lines(value))
    assert first is not None
    assert cookie.read(lines(b"junk=" + b"x" * 2000 + b"; " + value)) == first
    assert list(cookie._claims) == [value]


def test_only_what_was_verified_is_remembered() -> None:
    cookie = SessionCookie("kick.sid", Signer(SECRET), CookieOptions())
    forged = SessionCookie("kick.sid", Signer(OLD_SECRET), CookieOptions()).issue(generate_id(), 60).partition(b";")[0]
    for _ in range(2):
        assert cookie.read(lines(forged)) == ()
        assert cookie.came(lines(forged))
    assert cookie._claims == {}
