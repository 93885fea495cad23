"""Password hashing with scrypt."""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode

import anyio.to_thread

# Parameters of the OWASP Password Storage Cheat Sheet for 16 MiB of memory; about a quarter of a second.
COST, BLOCK_SIZE, PARALLELISM = 2**14, 8, 5
SALT_BYTES = 16

# Hashing is slow by design. The limit keeps many logins from taking all threads and all memory.
_at_a_time = anyio.CapacityLimiter(4)


async def hash_password(password: str) -> str:
    """Hash a password for storage: `scrypt$salt$digest`."""
    salt = os.urandom(SALT_BYTES)
    digest = await _scrypt(password, salt)
    return f"scrypt${b64encode(salt).decode()}${b64encode(digest).decode()}"


async def is_right(password: str, stored: str | None) -> bool:
    """Check a password against its stored hash.

    `None` stands for an account that does not exist. The check then takes as long as for a wrong password, so the time
    does not reveal which accounts exist.
    """
    _, salt, digest = (stored or _NOBODY).split("$")
    found = await _scrypt(password, b64decode(salt))
    return hmac.compare_digest(found, b64decode(digest)) and stored is not None


async def _scrypt(password: str, salt: bytes) -> bytes:
    def work() -> bytes:
        return hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK_SIZE, p=PARALLELISM)

    return await anyio.to_thread.run_sync(work, limiter=_at_a_time)


_NOBODY = f"scrypt${b64encode(bytes(SALT_BYTES)).decode()}${b64encode(bytes(64)).decode()}"
