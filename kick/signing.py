"""HMAC signatures of short texts, so that a client can store but not forge them.

The format is that of the npm package cookie-signature, which express-session, cookie-parser and KickJS use: the text,
a dot, and the HMAC-SHA256 of the text in base64 without padding. kick writes the URL-safe alphabet and reads both.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from typing import Final, TypeAlias

from kick.environment import in_production
from kick.errors import KickError

Secret: TypeAlias = str | bytes | Sequence[str | bytes]
"""One secret, or several: the first signs, all verify."""

MIN_SECRET_BYTES: Final = 32
"""The length of a SHA-256 digest, which RFC 2104, section 3, recommends for a key."""

SIGNATURE_LENGTH: Final = 43

TO_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
"""From the standard alphabet of base64 to that of URLs (RFC 4648, section 5)."""

_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_FINGERPRINTED: Final = "kick: which application is this?"
_BLOCK_SIZE: Final = 64
_SIGNED: Final = "s:"
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))


def secrets_of(secret: Secret) -> tuple[bytes, ...]:
    """Return all secrets in `secret` as bytes.

    >>> secrets_of(["new", b"old"])
    (b'new', b'old')

    Raises `TypeError` for a value that is neither `str` nor `bytes`.
    """
    listed: Sequence[str | bytes] = [secret] if isinstance(secret, str | bytes) else secret
    return tuple(each.encode() if isinstance(each, str) else b"".join([each]) for each in listed)


def missing_secret(user: str) -> KickError:
    """Return the error for a missing or empty secret."""
    return KickError(
        "secret-missing",
        cause=f"{user} has no secret, or an empty one; without it anybody could make its cookies.",
        fix=_GENERATE_ONE,
    )


def weak_secret(user: str, length: int) -> KickError:
    """Return the error for a secret that is too short."""
    return KickError(
        "secret-weak",
        cause=f"{user} has a secret of {length} bytes; {MIN_SECRET_BYTES} are the least that resists guessing.",
        fix=_GENERATE_ONE,
    )


_GENERATE_ONE: Final = (
    "Generate one with `kick secret`, put it into the environment as SESSION_SECRET, and pass "
    '`secret=os.environ["SESSION_SECRET"]`.'
)


def secret_problems(
    secret: Secret | None, user: str, *, stacklevel: int = 5, only_first_signs: bool = False
) -> list[KickError]:
    """Return the errors of the secret of `user`: missing, empty, or too short.

    Outside of production a short secret is only a warning; `stacklevel` is that of `warnings.warn`. It always is where
    `only_first_signs` and the first one is long enough: then whoever guesses a former one still has to guess what it
    signed.

    >>> [problem.code for problem in secret_problems(["a secret of at least thirty-two bytes", ""], "session()")]
    ['secret-missing']
    """
    try:
        listed = secrets_of(secret) if secret else ()
    except TypeError:
        listed = ()
    if not listed or not all(listed):
        return [missing_secret(user)]
    shortest = min(len(each) for each in listed)
    if shortest >= MIN_SECRET_BYTES:
        return []
    weak = weak_secret(user, shortest)
    if in_production() and not (only_first_signs and len(listed[0]) >= MIN_SECRET_BYTES):
        return [weak]
    warnings.warn(str(weak), stacklevel=stacklevel)
    return []


class _Key:
    """An HMAC-SHA256 key (RFC 2104) with its two padded blocks hashed in advance: half the cost of `hmac.digest`."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        if len(secret) > _BLOCK_SIZE:
            secret = hashlib.sha256(secret).digest()
        padded = secret.ljust(_BLOCK_SIZE, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER_PAD))
        self._outer = hashlib.sha256(padded.translate(_OUTER_PAD))

    def signature(self, text: str) -> bytes:
        """Return the signature in the standard alphabet without padding."""
        inner = self._inner.copy()
        inner.update(text.encode("utf-8", "surrogatepass"))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return b2a_base64(outer.digest(), newline=False)[:SIGNATURE_LENGTH]


class Signer:
    """Signs with the first of its secrets and verifies with all of them.

    With a `purpose`, the keys are derived from the secrets, so that a signature is worth nothing for any other purpose.

    >>> signer = Signer(["a new secret of at least 32 bytes!", "the secret that it takes over from"])
    >>> signer.verify(signer.sign("cart-42"))
    ('cart-42', True)
    >>> Signer("the secret that it takes over from").sign("cart-42") == signer.sign("cart-42")
    False
    """

    __slots__ = ("_current", "_keys")

    def __init__(self, secret: Secret, *, purpose: str = "") -> None:
        secrets = secrets_of(secret)
        if purpose:
            # Derived by a hash, not by an HMAC with the secret: that is what signatures without a purpose show.
            secrets = tuple(hashlib.sha256(f"kick: {purpose}\0".encode() + each).digest() for each in secrets)
        self._keys = [_Key(each) for each in secrets]
        self._current = self._keys[0]

    def __len__(self) -> int:
        """Return the number of secrets."""
        return len(self._keys)

    @property
    def fingerprints(self) -> frozenset[str]:
        """16 bits of an HMAC for each secret, in hexadecimal digits.

        They tell applications apart. One secret of 65,536 has the same, so that a guess cannot be verified with it.

        >>> Signer("a secret of at least thirty-two bytes").fingerprints
        frozenset({'c856'})
        """
        return frozenset(a2b_base64(key.signature(_FINGERPRINTED)[:4])[:2].hex() for key in self._keys)

    def accepts(self, other: Signer) -> bool:
        """Return whether it verifies what another signer signs.

        >>> one, two = Signer("a secret of at least thirty-two bytes"), Signer("another one of at least 32 bytes")
        >>> one.accepts(one), one.accepts(two)
        (True, False)
        """
        return self.verify(other.sign("")) is not None

    def sign(self, text: str) -> str:
        """Return `text`, a dot, and its signature of 43 characters."""
        return f"{text}.{self._current.signature(text).translate(TO_URL_SAFE).decode()}"

    def verify(self, signed: str) -> tuple[str, bool] | None:
        """Return the text, and true if the first secret signed it. Return `None` if no secret did.

        The comparison takes constant time. Any text is accepted, and nothing raises.
        """
        text, _, signature = signed.rpartition(".")
        if len(signature) != SIGNATURE_LENGTH or not signature.isascii():
            return None
        given = signature.encode().translate(_TO_STANDARD)
        for key in self._keys:
            if hmac.compare_digest(key.signature(text), given):
                return text, key is self._current
        return None


class CookieSigner:
    """Signs the values of cookies together with their names.

    `accept_express` also accepts what the npm package cookie-parser signed with the same secret, which is the value
    alone: every such cookie passes under every name, the cookie of a session included.

    >>> signer = CookieSigner("a secret of at least thirty-two bytes")
    >>> signed = signer.sign("nick", "admin")
    >>> signer.verify("nick", signed), signer.verify("role", signed)
    ('admin', None)
    """

    __slots__ = ("_express", "_signer")

    def __init__(self, secret: Secret, *, accept_express: bool = False) -> None:
        self._signer = Signer(secret, purpose="signed cookie")
        self._express = Signer(secret) if accept_express else None

    def sign(self, name: str, value: str) -> str:
        """Return the value of the cookie `name`: `s:`, the value, a dot, and the signature."""
        named = _named(name)
        return f"{_SIGNED}{self._signer.sign(named + value)[len(named) :]}"

    def verify(self, name: str, signed: str) -> str | None:
        """Return the value in the cookie `name`; `None` if it was not signed for this name. Nothing raises."""
        if not signed.startswith(_SIGNED):
            return None
        text, named = signed[len(_SIGNED) :], _named(name)
        verified = self._signer.verify(named + text)
        if verified is not None:
            return verified[0][len(named) :]
        express = None if self._express is None else self._express.verify(text)
        return None if express is None else express[0]


def _named(name: str) -> str:
    return f"{len(name)}:{name}:"  # no part of a value can pass for a part of the name
