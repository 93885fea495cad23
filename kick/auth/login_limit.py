"""A limit of the login attempts for one account, from all addresses together."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final

from kick.cookies import decode_value, parse_cookies
from kick.environment import in_production
from kick.errors import raise_all
from kick.exceptions import TooManyRequests
from kick.http import RequestContext
from kick.middleware.rate_limit import optional_types
from kick.middleware.rate_limit.limiter import Limiter
from kick.middleware.rate_limit.options import OnError, check_options, parse_limits
from kick.signing import Secret, Signer, secret_problems

COOKIE: Final = "kick.device"
REMEMBERED: Final = timedelta(days=180)


class LoginLimit:
    """Limits the attempts to log in to one account, from all addresses together.

    A limit for each address does not stop an attacker with many addresses. With a limit for the account alone, an
    attacker could lock its owner out. So a successful login gives the browser a signed cookie: a known device of the
    account, which has its own limit. So the owner can log in while an attacker guesses (OWASP, "Slow Down Online
    Guessing Attacks with Device Cookies").

    Arguments:
        limits: a number of attempts in a time: `"10/hour"`, or several with semicolons.
        secret: signs the cookie. It may be the secret of the session, because the purpose is signed too.
        store: as for `rate_limit()`: the memory of this process, a URL of Redis, or a storage of the library `limits`.
        on_error: if the store fails, `"open"` lets each process count alone, and `"closed"` responds with 503.
        timeout: the time limit of the store, as a `timedelta` or in seconds.
        cookie: the name of the cookie. In production it has the prefix `__Host-`, so that no sub-domain can set it.
        remember: the time for which a device is known after its last login.

    >>> from kick import Post, RequestContext
    >>> class AuthController:
    ...     def __init__(self, accounts: Any, limit: LoginLimit) -> None:
    ...         self.accounts, self.limit = accounts, limit
    ...     @Post("/login")
    ...     async def log_in(self, ctx: RequestContext, body: dict[str, str]) -> None:
    ...         async with self.limit.attempt(ctx, body["email"]):
    ...             user = await self.accounts.authenticate(body)  # raises if the password is wrong
    ...         await login(ctx, user.id)

    Raises `KickError` for a missing or weak secret, and as `rate_limit()` does.
    """

    def __init__(
        self,
        limits: str = "10/hour",
        *,
        secret: Secret,
        store: str | optional_types.Storage | None = None,
        on_error: OnError = "open",
        timeout: timedelta | float = 0.25,
        cookie: str = COOKIE,
        remember: timedelta = REMEMBERED,
    ) -> None:
        raise_all(secret_problems(secret, "LoginLimit()", stacklevel=4))
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        items = parse_limits(limits)
        check_options("ip", store, None, "sliding-window", on_error, seconds)
        from kick.middleware.rate_limit.counters import open_counters

        self._counters = open_counters(None if store == "memory://" else store, timeout=seconds)
        self._limiter = Limiter(items, self._counters, scope="login", name="login", on_error=on_error)
        self._signer = Signer(secret, purpose="login device")
        self._cookie = f"__Host-{cookie}" if in_production() and not cookie.startswith("__") else cookie
        self._remembered = remember

    @asynccontextmanager
    async def attempt(self, ctx: RequestContext[Any], account: str) -> AsyncIterator[None]:
        """Count an attempt; if the block raises nothing, remember the device.

        Arguments:
            account: the name of the account at the login, such as the email. Upper and lower case share one limit, but
                a device is known only to the name as it is written. If your application takes both cases for one
                account, pass the name in lower case. Names with other accents are other accounts.

        Raises `TooManyRequests` (429, with `Retry-After`) instead of running the block.
        """
        name = _digest(account.strip().casefold())
        known = self._device_of(ctx, account)
        verdict = await self._limiter.hit(name if known is None else f"{name}:{known}")
        if verdict is not None and verdict.wait is not None:
            raise TooManyRequests(f"Too many attempts. Try again in {verdict.wait} s.", retry_after=verdict.wait)
        yield
        self.remember(ctx, account)

    def remember(self, ctx: RequestContext[Any], account: str) -> None:
        """Make the browser a known device of the account, for example after a registration.

        Each time it is another one, so attempts before a successful login do not count any more.
        """
        device = secrets.token_urlsafe(16)
        ctx.set_cookie(self._cookie, self._signer.sign(f"{_digest(account)}:{device}"), max_age=self._remembered)

    @property
    def is_in_process(self) -> bool:
        """True if the attempts are counted in the memory of this process."""
        return self._counters.is_in_process

    async def aclose(self) -> None:
        """Close the connections to the store."""
        await self._counters.aclose()

    def _device_of(self, ctx: RequestContext[Any], account: str) -> str | None:
        """Return the id of the device, if it is known to this account.

        The name has to be the same in every character. If the application has accounts for `ada` and `Ada`, the owner
        of one could otherwise make any number of devices known to the other one, and guess on each.

        All cookies of the name are looked at, because a sub-domain may have planted one.
        """
        lines = [line.decode("latin-1") for header, line in ctx.scope["headers"] if header == b"cookie"]
        values = [value for line in lines for each, value in parse_cookies(line) if each == self._cookie]
        name = _digest(account)
        for value in values:
            verified = self._signer.verify(decode_value(value))
            known_to, _, device = (verified[0] if verified else "").partition(":")
            if device and known_to == name:
                return device
        return None


def _digest(account: str) -> str:
    return blake2b(account.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
