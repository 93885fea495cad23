"""Password hashing with Argon2id, by the package argon2-cffi."""

from __future__ import annotations

import logging
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

from kick.auth.errors import PasswordRefused, bad_password_option
from kick.errors import missing_extra, raise_all
from kick.exceptions import ServiceUnavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

logger: Final = logging.getLogger("kick.auth")

MEMORY: Final = 64 << 20
PASSES: Final = 3
LANES: Final = 4

T = TypeVar("T")

_SALT_BYTES: Final = 16
_DIGEST_BYTES: Final = 32


class Passwords:
    """A password hasher with Argon2id (RFC 9106). It works in threads, so the event loop does not wait.

    It is injected by type. List `Passwords`, or an instance with other options, in `providers=[...]`.

    Arguments:
        memory: bytes for each hash. 64 MiB with the other defaults is the second choice of RFC 9106, section 4.
        passes: the number of passes over the memory.
        lanes: the degree of parallelism of one hash.
        at_once: the number of hashes at a time, which bounds the memory of many logins; others wait.
        most_waiting: the number of hashes that may wait. Further ones raise `ServiceUnavailable` (503), so that a rush
            of logins does not let everybody wait.
        min_length: the least number of characters of a new password.
        max_length: the greatest number of characters of any password; a longer one is never hashed.

    >>> passwords = Passwords(memory=64 << 10, passes=1, lanes=1)
    >>> async def example() -> None:
    ...     stored = await passwords.hash("correct horse battery staple")
    ...     print(stored[:30], await passwords.verify("correct horse battery staple", stored))
    >>> anyio.run(example)
    $argon2id$v=19$m=64,t=1,p=1$... True

    Raises `KickError`: `missing-extra` if argon2-cffi is not installed, and `auth-passwords` for an invalid option.
    """

    def __init__(
        self,
        *,
        memory: int = MEMORY,
        passes: int = PASSES,
        lanes: int = LANES,
        at_once: int = 4,
        most_waiting: int = 100,
        min_length: int = 8,
        max_length: int = 1024,
    ) -> None:
        options = {"passes": passes, "lanes": lanes, "at_once": at_once, "min_length": min_length}
        numbers = {"memory": memory, "max_length": max_length, "most_waiting": most_waiting, **options}
        problems = [
            bad_password_option(name, value, "a whole number above 0", f"{name}={_EXAMPLES[name]}")
            for name, value in numbers.items()
            if not (type(value) is int and value > 0)
        ]
        if not problems and memory < 8 * 1024 * lanes:
            problems = [bad_password_option("memory", memory, "8 KiB for each lane at least", "memory=64 << 20")]
        if not problems and max_length < min_length:
            problems = [bad_password_option("max_length", max_length, "at least min_length", "max_length=1024")]
        raise_all(problems)
        self._hasher = _hasher(memory // 1024, passes, lanes)
        self._nobody = _encoded_nothing(memory // 1024, passes, lanes)
        self._limiter = anyio.CapacityLimiter(at_once)
        self._most_waiting = most_waiting
        self._min_length = min_length
        self._max_length = max_length

    async def hash(self, password: str) -> str:
        """Hash a password for storage: about 100 characters, with salt and costs.

        Raises `PasswordRefused` (422) if it is too short or too long, and `ServiceUnavailable` (503) if too many wait.
        """
        if len(password) < self._min_length:
            raise PasswordRefused(f"A password has at least {self._min_length} characters.")
        if len(password) > self._max_length:
            raise PasswordRefused(f"A password has at most {self._max_length} characters.")
        return await self._in_thread(partial(self._hasher.hash, _octets(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Check a password against a stored hash.

        `None` stands for a user who does not exist. The check fails, and takes as long as for a wrong password, so the
        time does not reveal which users exist. A stored value that is no hash also fails, with a line in the log.

        Raises `ServiceUnavailable` (503) if too many wait.
        """
        # Hashing takes longer for longer input, and no stored password is longer.
        if len(password) > self._max_length:
            return False
        return await self._in_thread(partial(self._matches, _octets(password), stored))

    async def verify_dummy(self, password: str) -> None:
        """Take as long as `verify()` with a wrong password, for a user who does not exist."""
        await self.verify(password, None)

    def needs_rehash(self, stored: str) -> bool:
        """Return true if a hash has other costs. Then store `await hash(password)` after the login."""
        from argon2.exceptions import InvalidHashError

        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def _matches(self, password: bytes, stored: str | None) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

        try:
            self._hasher.verify(self._nobody if stored is None else stored, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            logger.error("what is stored of a password is no Argon2 hash")
            return False
        return stored is not None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._limiter.statistics().tasks_waiting >= self._most_waiting:
            raise ServiceUnavailable("Too many passwords are being checked. Try again in a moment.", retry_after=1)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


_EXAMPLES: Final = {
    "memory": "64 << 20",
    "passes": "3",
    "lanes": "4",
    "at_once": "4",
    "most_waiting": "100",
    "min_length": "8",
    "max_length": "1024",
}


def _hasher(kibibytes: int, passes: int, lanes: int) -> PasswordHasher:
    try:
        from argon2 import PasswordHasher
    except ModuleNotFoundError:
        raise missing_extra("Passwords", "argon2-cffi", "passwords") from None
    return PasswordHasher(
        time_cost=passes, memory_cost=kibibytes, parallelism=lanes, hash_len=_DIGEST_BYTES, salt_len=_SALT_BYTES
    )


def _octets(password: str) -> bytes:
    """Normalize a password, so that equal characters have equal bytes (NIST SP 800-63B, section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _encoded_nothing(kibibytes: int, passes: int, lanes: int) -> str:
    """Return a hash with these costs that no password matches."""
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _DIGEST_BYTES))
    return f"$argon2id$v=19$m={kibibytes},t={passes},p={lanes}${salt}${digest}"
