"""CSRF tokens of a session: generated and compared here. `kick.middleware.csrf` decides which requests need one.

A token is derived from the session id: HMAC-SHA256 (RFC 2104) with the id as the key. So it costs no write, changes
with the id, and needs no secret of its own. Neither the id nor another token can be derived from it. A store knows only
the SHA-256 of the id, so it cannot make a token.

A request without a living session has no id that a token could belong to. Its token belongs to a cookie of its own, so
that a page with a form costs no store call, and an anonymous visitor no record: see `TokenCookie`.

Each token is masked with new random bytes. So two tokens of one session have nothing in common, and the compressed size
of a page reveals nothing about the token (BREACH).
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable
from typing import Final

from kick.cookies import decode_value, parse_cookies
from kick.session.ids import base64url
from kick.session.state import CookieAction, SessionState, Status
from kick.signing import Signer

TOKEN_LENGTH: Final = 86
_BYTES: Final = 32
_ENCODED: Final = 43
_PURPOSE: Final = b"kick: csrf"


def new_token(session_id: str) -> str:
    """Return a token of a session, another one at each call: 86 characters of the URL-safe base64 alphabet.

    >>> first, second = new_token("an id"), new_token("an id")
    >>> first == second, unmasked(first) == unmasked(second) == digest_of("an id")
    (False, True)
    """
    return masked(digest_of(session_id))


def masked(digest: bytes) -> str:
    """Return a token for a digest, another one at each call."""
    mask = secrets.token_bytes(_BYTES)
    return base64url(mask + _xor(mask, digest))


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


def is_token_of(session_id: str, token: str) -> bool:
    """Compare a token with that of a session, in constant time. Takes any text and never raises.

    >>> is_token_of("an id", new_token("an id")), is_token_of("another id", new_token("an id"))
    (True, False)
    """
    return has_digest(token, digest_of(session_id))


def either(first: str, second: str) -> str:
    """Return a token that is valid wherever one of the two is.

    >>> token = either(new_token("an id"), new_token("another id"))
    >>> is_token_of("an id", token), is_token_of("another id", token), is_token_of("a third id", token)
    (True, True, False)
    """
    return f"{first}.{second}"


def has_digest(token: str, digest: bytes) -> bool:
    """Compare the digests in a token with this one, in constant time. Takes any text and never raises."""
    first, _, second = token.partition(".")
    sent = [unmasked(each) for each in (first, second)]
    return any(each is not None and hmac.compare_digest(each, digest) for each in sent)


class TokenCookie:
    """The cookie to which the token of a visitor without a session belongs: `<cookie_name>.csrf`.

    It holds the random digest of the tokens, signed for this purpose alone, and has the attributes of the session
    cookie, so that it is as hard to plant. No store ever sees it. It counts only while the request has no living
    session, and the first session that is begun removes it.

    >>> cookie = TokenCookie("kick.sid.csrf", Signer("a secret of at least thirty-two bytes"), "Path=/")
    >>> header = cookie.issue(bytes(32)).partition(b";")[0]
    >>> cookie.read([(b"cookie", header)]) == bytes(32), cookie.read([(b"cookie", header[:-1])])
    (True, None)
    """

    __slots__ = ("_attributes", "_signer", "name")

    def __init__(self, name: str, signer: Signer, attributes: str) -> None:
        self.name = name
        self._signer = signer
        self._attributes = attributes

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
        """Return the digest in the first cookie with a valid signature; `None` if there is none. Nothing raises."""
        for value in self._values(headers):
            text = decode_value(value)
            verified = self._signer.verify(text[2:]) if text[:2] == "s:" else None
            if verified is not None and len(verified[0]) == _ENCODED:
                return urlsafe_b64decode(verified[0] + "=")
        return None

    def issue(self, digest: bytes) -> bytes:
        """Return the `Set-Cookie` value for a digest. The cookie ends with the browser."""
        return f"{self.name}=s:{self._signer.sign(base64url(digest))}; {self._attributes}".encode("ascii")

    def decide(self, state: SessionState) -> tuple[bytes, ...]:
        """Decide about the cookie of the response, from the final state; return the `Set-Cookie` values."""
        if state.status is Status.NEW:
            return (self.issue(state.token),) if state.token is not None and state.token_is_new else ()
        begins = state.cookie is CookieAction.SEND
        if not begins or not self._values(state.scope["headers"]):
            return ()
        removal = f"{self.name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {self._attributes}"
        return (removal.encode("ascii"),)

    def _values(self, headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
        own = self.name.encode()
        lines = [line.decode("latin-1") for name, line in headers if name == b"cookie" and own in line]
        return [value for line in lines for name, value in parse_cookies(line) if name == self.name]


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(_BYTES)
