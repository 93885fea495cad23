"""CSRF tokens of a session. `kick.middleware.csrf` compares them.

A token is derived from the session id: HMAC-SHA256 (RFC 2104) with the id as the key. So it costs no write, changes
with the id, and needs no secret of its own. Neither the id nor another token can be derived from it. A store knows only
the SHA-256 of the id, so it cannot make a token.

Each token is masked with new random bytes. So two tokens of one session have nothing in common, and the compressed size
of a page reveals nothing about the token (BREACH).
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
    """Return a token of a session, another one at each call: 86 characters of the URL-safe base64 alphabet.

    >>> first, second = draw_token("an id"), draw_token("an id")
    >>> first == second, unmasked(first) == unmasked(second) == digest_of("an id")
    (False, True)
    """
    mask = secrets.token_bytes(_BYTES)
    return base64url(mask + _xor(mask, digest_of(session_id)))


def unmasked(token: str) -> bytes | None:
    """Return the digest in a token, to be compared with that of the session; `None` for a text that is no token."""
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "==")
    except NotBase64:
        return None
    return _xor(raw[:_BYTES], raw[_BYTES:]) if len(raw) == 2 * _BYTES else None


def digest_of(session_id: str) -> bytes:
    """Return the part of its tokens that belongs to the session, without a mask."""
    return hmac.digest(session_id.encode(), _PURPOSE, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(_BYTES)
