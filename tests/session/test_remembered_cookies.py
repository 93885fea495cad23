"""Cookie headers that were verified are remembered. Nobody may be able to tell, but by how long it takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick.session import CookieOptions
from kick.session.cookie import LONGEST_REMEMBERED, REMEMBERED, SessionCookie
from kick.session.ids import generate_id
from kick.signing import Signer
from tests.session.harness import SECRET, Browser, Site, setting

OLD_SECRET = "the secret before, more than 32 bytes long too"

Headers = list[tuple[bytes, bytes]]


def cookie_of(*secrets: str, name: str = "kick.sid") -> SessionCookie:
    return SessionCookie(name, Signer(secrets or [SECRET]), CookieOptions())


IDS = [generate_id() for _ in range(3)]
SIGNED = [f"s:{Signer(secret).sign(each)}" for each in IDS for secret in (SECRET, OLD_SECRET, "of somebody else" * 3)]
PIECES = st.one_of(
    st.sampled_from(SIGNED).map(lambda value: f"kick.sid={value}"),
    st.sampled_from(SIGNED).map(lambda value: f"Kick.sid={value}"),
    st.sampled_from(SIGNED).map(lambda value: f" kick.sid={value[:-1]}"),
    st.sampled_from(SIGNED).map(lambda value: f"kick.sid=s%3A{value[2:]}"),
    st.sampled_from(["kick.sid", "kick.sid=", "theme=dark", "", "kick.sid=s:x.y", "x" * LONGEST_REMEMBERED]),
)
LINES = st.lists(PIECES, max_size=4).map(lambda pieces: "; ".join(pieces).encode("latin-1"))
REQUESTS = st.lists(
    st.lists(st.tuples(st.sampled_from([b"cookie", b"cookie", b"x-cookie", b"authorization"]), LINES), max_size=3),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(REQUESTS)
def test_whatever_came_before_a_header_says_what_it_says_when_it_comes_first(requests: list[Headers]) -> None:
    remembering = cookie_of(SECRET, OLD_SECRET)
    for headers in [*requests, *requests]:
        assert remembering.read(headers) == cookie_of(SECRET, OLD_SECRET).read(headers)


def test_what_is_not_signed_is_never_remembered() -> None:
    cookie = cookie_of()
    for number in range(100):
        assert cookie.read([(b"cookie", b"kick.sid=s:%d.x" % number), (b"cookie", b"theme=dark")]) == ()
    assert cookie._claims == {}


def variants(number: int, padding: int = 0) -> Iterable[bytes]:
    """Headers that differ, all with the one valid cookie that an attacker has."""
    for each in range(number):
        yield f"kick.sid={SIGNED[0]}; n={each:0{padding}}".encode()


@pytest.mark.long
def test_a_client_with_one_valid_cookie_cannot_fill_the_memory() -> None:
    cookie = cookie_of()
    longest = LONGEST_REMEMBERED - len(next(iter(variants(1)))) + 1
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for line in variants(3 * REMEMBERED, longest):
        assert len(line) <= LONGEST_REMEMBERED
        assert cookie.read([(b"cookie", line)]) != ()
        assert len(cookie._claims) <= REMEMBERED
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2 * REMEMBERED * LONGEST_REMEMBERED


def test_a_header_that_is_longer_is_read_and_not_remembered() -> None:
    cookie = cookie_of()
    (line,) = variants(1, LONGEST_REMEMBERED)
    (claim, *_) = cookie.read([(b"cookie", line)])
    assert claim is not None
    assert claim.session_id == IDS[0]
    assert cookie._claims == {}


def test_a_secret_that_was_withdrawn_is_withdrawn() -> None:
    """The memory belongs to the secrets and to the name of the cookie, and to no other engine of the process."""
    line = [(b"cookie", f"kick.sid={SIGNED[1]}".encode())]
    before = cookie_of(SECRET, OLD_SECRET)
    (claim, *_) = before.read(line)
    assert claim is not None
    assert not claim.is_current
    assert cookie_of(SECRET).read(line) == ()
    assert cookie_of(SECRET, OLD_SECRET, name="other.sid").read(line) == ()


async def test_a_remembered_cookie_of_a_session_that_has_ended_leads_to_nothing() -> None:
    browser = Browser(Site())
    await browser.visit(setting(a=1))
    for _ in range(3):
        assert await browser.data() == {"a": 1}
    thief = browser.twin()

    async def destroy(session: object) -> None:
        await session.destroy()  # type: ignore[attr-defined]

    await browser.visit(destroy)
    for _ in range(3):
        assert (await thief.visit(lambda session: (dict(session.data), session.is_new))).value == ({}, True)


async def test_of_two_lines_the_first_valid_cookie_counts_however_often_the_second_came_alone() -> None:
    """HTTP/2 may send each cookie in a line of its own (RFC 9113, section 8.2.3)."""
    cookie = cookie_of()
    first, second = (f"kick.sid=s:{Signer(SECRET).sign(each)}".encode() for each in IDS[:2])
    assert cookie.read([(b"cookie", second)]) != ()
    for _ in range(2):
        (claim, *_) = cookie.read([(b"cookie", b"theme=dark"), (b"cookie", first), (b"cookie", second)])
        assert claim is not None
        assert claim.session_id == IDS[0]
