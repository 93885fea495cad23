"""The token against forged requests (CSRF) of a session.

It is worked out from the session id, so it costs no write, changes whenever the id does, and needs no secret of its
own: HMAC-SHA256 (RFC 2104) with the id as its key. Neither the id nor another token follows from it, and a store, which
knows the SHA-256 of the id only, cannot make it.

What is handed out is masked with fresh random bytes: two tokens of one session share nothing, and compression of the
page tells nobody anything of it (BREACH).
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from typing import Final

from kick.signing import base64url

TOKEN_LENGTH: Final = 86
_BYTES: Final = 32
_PURPOSE: Final = b"kick: csrf"


def draw_token(session_id: str) -> str:
    """A token of a session, another one at each call; 86 characters of the URL-safe base64 alphabet.

    >>> first, second = draw_token("an id"), draw_token("an id")
    >>> first == second, is_token_of("an id", first), is_token_of("an id", second), is_token_of("another id", first)
    (False, True, True, False)
    """
    mask = secrets.token_bytes(_BYTES)
    return base64url(mask + _xor(mask, _expected(session_id)))


def is_token_of(session_id: str, token: str) -> bool:
    """Whether a token is of this session. Compares in constant time; takes any text at all and never raises."""
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return False
    try:
        raw = urlsafe_b64decode(token + "==")
    except NotBase64:
        return False
    return len(raw) == 2 * _BYTES and hmac.compare_digest(_xor(raw[:_BYTES], raw[_BYTES:]), _expected(session_id))


def _expected(session_id: str) -> bytes:
    return hmac.digest(session_id.encode(), _PURPOSE, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(_BYTES)
