"""Hashing passwords with scrypt (RFC 7914)."""

import hashlib
import hmac
import secrets

COST, BLOCK_SIZE, PARALLELISM = 2**14, 8, 5
"""They stand in each hash, and can be raised without making the old ones worthless."""


NOBODYS = f"scrypt${COST}${BLOCK_SIZE}${PARALLELISM}${'00' * 16}${'00' * 64}"
"""Compared with when there is no account, so that it takes as long as when there is one."""


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    key = _derive(password, salt, COST, BLOCK_SIZE, PARALLELISM)
    return f"scrypt${COST}${BLOCK_SIZE}${PARALLELISM}${salt.hex()}${key.hex()}"


def is_password(password: str, hashed: str) -> bool:
    _, cost, block_size, parallelism, salt, key = hashed.split("$")
    derived = _derive(password, bytes.fromhex(salt), int(cost), int(block_size), int(parallelism))
    return hmac.compare_digest(derived, bytes.fromhex(key))


def _derive(password: str, salt: bytes, cost: int, block_size: int, parallelism: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block_size, p=parallelism)
