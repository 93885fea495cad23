"""CSRF tokens as texts, and the cookie to which those of a visitor belong."""

from __future__ import annotations

import pytest

from kick.session.csrf_token import TokenCookie, is_token_of, new_token
from kick.signing import Signer
from tests.session.harness import SECRET

ID = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize("added", ["!", "\n", " ", "=", "==", "A", "AAAA", "é"])
@pytest.mark.parametrize("place", [0, 43, 86])
def test_a_token_with_something_added_is_no_token(added: str, place: int) -> None:
    """A decoder of base64 may skip what is not of its alphabet."""
    token = new_token(ID)
    assert is_token_of(ID, token)
    assert not is_token_of(ID, token[:place] + added + token[place:])


def test_only_the_cookie_header_is_read() -> None:
    cookie = TokenCookie("kick.sid.csrf", Signer(SECRET), "Path=/")
    sent = cookie.issue(bytes(32)).partition(b";")[0]
    assert cookie.read([(b"cookie", sent)]) == bytes(32)
    assert cookie.read([(b"x-cookie", sent), (b"cookie", b"theme=dark")]) is None


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33), bytes(64)])
def test_a_cookie_with_a_digest_of_another_length_is_none(digest: bytes) -> None:
    cookie = TokenCookie("kick.sid.csrf", Signer(SECRET), "Path=/")
    assert cookie.read([(b"cookie", cookie.issue(digest).partition(b";")[0])]) is None
