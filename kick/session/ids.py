"""Session ids, the keys under which stores know them, and principals, by which stores find them.

An id has 36 characters of the URL-safe base64 alphabet. The first four (24 bits) are its tag, which does not change
while the session lives. The other 32 (192 random bits) are generated again whenever the id changes. A store sees the
tag and the SHA-256 of the whole id, from which the id cannot be computed. Because of the tag, the old and the new id of
a session are on the same node of a Redis Cluster.
"""

from __future__ import annotations

import re
import secrets
from binascii import b2a_base64
from hashlib import sha256
from typing import Final

from kick.signing import TO_URL_SAFE

TAG_LENGTH: Final = 4
_RANDOM_BYTES: Final = 24
_TAG_BYTES: Final = 3
_KEY_LENGTH: Final = TAG_LENGTH + 3 + 43

LONGEST_PRINCIPAL: Final = 512
"""The most bytes of a principal in UTF-8. The index of PostgreSQL takes about 2,700 (B-Tree, section "Limits")."""

is_well_formed: Final = re.compile(r"[A-Za-z0-9_-]{20,128}", re.ASCII).fullmatch
"""Matches a text that can be a session id: one of kick, one of express-session (32 characters) or a UUID."""


def base64url(digest: bytes) -> str:
    """Encode bytes as URL-safe base64 without padding (RFC 4648, section 5).

    >>> base64url(bytes([255, 254, 253])), base64url(b"\\0")
    ('__79', 'AA')
    """
    return b2a_base64(digest, newline=False).translate(TO_URL_SAFE).rstrip(b"=").decode()


def principal_text(value: object) -> str | None:
    """Return a principal as stores keep it: a text of at most 512 bytes in UTF-8, or `None`.

    >>> principal_text(7), principal_text(None), principal_text("x" * 513)
    Traceback (most recent call last):
    ValueError: a principal has at most 512 bytes in UTF-8, and this one has 513: use the id of the user

    Raises `ValueError` for a longer text, and for one that is not valid Unicode. Its value is not part of the message.
    """
    if value is None:
        return None
    text = str(value)
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("a principal is a valid text, and this one has half of a surrogate pair") from None
    if size > LONGEST_PRINCIPAL:
        raise ValueError(
            f"a principal has at most {LONGEST_PRINCIPAL} bytes in UTF-8, and this one has {size}: "
            "use the id of the user"
        )
    return text


def generate_id() -> str:
    """Generate an id with a new tag.

    >>> len(generate_id())
    36
    """
    return secrets.token_urlsafe(_TAG_BYTES + _RANDOM_BYTES)


def generate_successor(session_id: str) -> str:
    """Generate a new id for the same session: the same tag, and 192 new random bits.

    >>> old = generate_id()
    >>> new = generate_successor(old)
    >>> new[:4] == old[:4], new == old
    (True, False)
    """
    return session_id[:TAG_LENGTH] + secrets.token_urlsafe(_RANDOM_BYTES)


def key_of(session_id: str) -> str:
    """Return the key under which stores know a session: `{tag}:`, then the SHA-256 of the id in base64url.

    >>> key_of("abcdefghijklmnopqrstuvwxyz0123456789")
    '{abcd}:AR_CmU450lEUFUD4emkJKz8iqGdn9yg95-7ts4l77fY'
    """
    return f"{{{session_id[:TAG_LENGTH]}}}:{base64url(sha256(session_id.encode()).digest())}"


def fingerprint(key: str) -> str:
    """Return a short name of a session for logs: the first 8 characters of the digest in its key."""
    return key[7:15]


class Claim:
    """Session id from a cookie with a valid signature. It is not a Struct, so no encoder writes the id."""

    __slots__ = ("is_current", "key", "rank", "session_id")

    def __init__(self, session_id: str, *, is_current: bool, rank: int = 0) -> None:
        self.session_id = session_id
        self.key = key_of(session_id)
        """The key under which stores know the session."""
        self.is_current = is_current
        """`False` for a cookie with an older secret or name, which is issued again."""
        self.rank = rank
        """0 for the cookie's own name; otherwise the position among the names that it replaces, from 1."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Claim) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self.session_id)

    def _fields(self) -> tuple[object, ...]:
        return (self.session_id, self.is_current, self.rank)

    def __repr__(self) -> str:
        return f"<Claim {fingerprint(self.key)}>"


def renewed(session_id: str, *, leads_on: bool) -> tuple[str, str, bytes]:
    """Generate the next id of a session; return it, its key, and the marker for the old key.

    If it `leads_on`, holders of the old id can learn the new one.
    """
    new_id = generate_successor(session_id)
    new_key = key_of(new_id)
    return new_id, new_key, forward_to_id(new_id, session_id) if leads_on else forward_to_key(new_key)


def forward_to_id(new_id: str, old_id: str) -> bytes:
    """Return the marker for the old key after a rotation: the new key, and the new id, encrypted with the old one.

    The new id is encrypted with a one-time pad: the SHA-256 of the old id. An old id has at most one successor, so no
    pad is used twice.
    """
    return key_of(new_id).encode() + _pad(new_id[TAG_LENGTH:].encode(), old_id)


def forward_to_key(new_key: str) -> bytes:
    """Return the marker for the old key after a regenerate: the new key, from which no id can be computed."""
    return new_key.encode()


def successor_id(forward: bytes | None, old_id: str) -> str | None:
    """Return the new id in a marker, or `None` after a regenerate.

    >>> old = generate_id()
    >>> new = generate_successor(old)
    >>> successor_id(forward_to_id(new, old), old) == new
    True
    >>> successor_id(forward_to_key(key_of(new)), old) is None
    True
    """
    sealed = b"" if forward is None else forward[_KEY_LENGTH:]
    if not sealed:
        return None
    new_id = old_id[:TAG_LENGTH] + _pad(sealed, old_id).decode("ascii", "replace")
    return new_id if is_well_formed(new_id) else None


def successor_key(forward: bytes | None) -> str | None:
    """Return the new key of the session, after a rotation or a regenerate.

    >>> successor_key(forward_to_key("{abcd}:0123456789012345678901234567890123456789012"))
    '{abcd}:0123456789012345678901234567890123456789012'
    """
    return forward[:_KEY_LENGTH].decode("ascii", "replace") if forward else None


def _pad(text: bytes, old_id: str) -> bytes:
    pad = sha256(b"kick successor of " + old_id.encode()).digest()
    return bytes(left ^ right for left, right in zip(text, pad, strict=False))
