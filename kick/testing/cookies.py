"""Cookies that expire by the clock of kick."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http.cookiejar import Cookie, CookieJar
from typing import Any, Final

from kick.clock import CLOCK

_EXPIRES: Final = "expires by the clock of kick"
"""The attribute of a cookie for the time at which it expires. `Cookie.expires` is compared with that of the machine."""


class TestCookies(CookieJar):
    """The cookies of a client. A `Max-Age` counts from the time that `travel()` and `freeze()` have set."""

    def make_cookies(self, response: Any, request: Any) -> Sequence[Cookie]:
        """Return the cookies of a response."""
        cookies = super().make_cookies(response, request)
        for cookie in cookies:
            if cookie.expires is not None:
                cookie.set_nonstandard_attr(_EXPIRES, str(cookie.expires - time.time() + CLOCK.time()))
        return cookies


def forget_expired(jar: CookieJar) -> None:
    """Remove the cookies that have expired by the clock of kick."""
    for cookie in list(jar):
        expires = cookie.get_nonstandard_attr(_EXPIRES)
        if expires is not None and float(expires) <= CLOCK.time():
            jar.clear(cookie.domain, cookie.path, cookie.name)
