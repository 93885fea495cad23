"""Checked options of `session()`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias, cast

from kick.errors import KickError, raise_all
from kick.session.cookie import CookieOptions, SessionCookie
from kick.session.csrf_token import TokenCookie
from kick.session.data.typed import Shape
from kick.session.errors import SessionTooLarge, bad_session_option
from kick.session.events import Listener
from kick.session.stores.base import Change
from kick.signing import Secret, Signer, secret_problems

Duration: TypeAlias = timedelta | float
"""A `timedelta`, or seconds."""

OnStoreError: TypeAlias = Literal["error", "anonymous"]

DEADLINE: Final = timedelta(days=30)
"""The default of `absolute_max_age`. Without a deadline, a stolen cookie could be used forever."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options of `session()`, checked and in seconds. Its docstring explains each of them."""

    cookie: SessionCookie
    token: TokenCookie
    path: str
    max_age: float
    absolute_max_age: float | None
    anonymous_max_age: float | None
    remember_max_age: float
    session_check: float
    rolling: bool
    save_uninitialized: bool
    rotate_after: float | None
    grace: float
    shape: Shape | None
    on_store_error: OnStoreError
    store_timeout: float
    max_size: int
    max_per_principal: int | None
    on_event: Listener | None

    def life(self, own: Mapping[str, Any], *, is_anonymous: bool) -> tuple[float, bool]:
        """Return the seconds that a session lives, and whether its cookie stays when the browser is closed.

        `own` is what was set for this session only. Without a principal, it lives at most for `anonymous_max_age`.
        """
        age, most, wanted = self.max_age, self.anonymous_max_age, own.get("max_age")
        if isinstance(wanted, int | float) and 0 < wanted < 1e300:
            age = float(wanted)
        if most is not None and most < age and is_anonymous:
            age = most
        return age, bool(own.get("persistent", self.cookie.persistent))

    def check_size(self, fields: Mapping[str, bytes], change: Change) -> None:
        """Raise `SessionTooLarge` for a change after which these fields have more than `max_size` bytes, with names."""
        most = self.max_size
        added = {**dict.fromkeys(change.increment, _COUNTER), **change.set} if change.increment else change.set
        if added and _size(fields) + _size(added) > most:
            after = {**{name: raw for name, raw in fields.items() if name not in change.delete}, **added}
            size = _size(after)
            if size > most:
                raise SessionTooLarge(size, most, max(after, key=lambda name: len(name) + len(after[name])))


_COUNTER: Final = b"-9223372036854775808"
"""The longest value of a counter."""


def _size(fields: Mapping[str, bytes]) -> int:
    """Return the bytes of names and values."""
    names = "".join(fields)
    return (len(names) if names.isascii() else len(names.encode("utf-8", "surrogatepass"))) + sum(
        map(len, fields.values())
    )


def tick_of(max_age: float) -> float:
    """Return the seconds between two prolongations, of the cookie and of a rolling session.

    >>> tick_of(60.0), tick_of(86_400.0)
    (6.0, 60.0)
    """
    tick = max_age / 10
    return tick if tick < 60.0 else 60.0  # quicker than `min()`: every write of a session asks for it


def check_options(
    secret: Secret | None,
    *,
    cookie_name: str = "kick.sid",
    max_age: Duration = timedelta(hours=24),
    absolute_max_age: Duration | None = DEADLINE,
    anonymous_max_age: Duration | None = None,
    remember_max_age: Duration = timedelta(days=30),
    session_check: Duration = 30.0,
    rolling: bool = False,
    save_uninitialized: bool = True,
    rotate_after: Duration | None = None,
    grace: Duration = timedelta(seconds=30),
    cookie: CookieOptions | Mapping[str, Any] | None = None,
    data: type | None = None,
    on_store_error: OnStoreError = "error",
    store_timeout: Duration = 1.0,
    max_size: int = 1 << 20,
    max_per_principal: int | None = None,
    on_event: Listener | None = None,
) -> SessionOptions:
    """Check the options of `session()`. Raises a `KickError` for all that is wrong with them at once."""
    problems: list[KickError] = [*secret_problems(secret, "session()", only_first_signs=True)]
    attributes = _cookie_options(cookie, problems)
    problems += attributes.problems(cookie_name)
    seconds = _Seconds(problems)
    ages = {
        "max_age": seconds.positive("max_age", max_age, "timedelta(hours=24)"),
        "remember_max_age": seconds.positive("remember_max_age", remember_max_age, "timedelta(days=30)"),
        "session_check": seconds.positive("session_check", session_check, "30.0"),
        "grace": seconds.positive("grace", grace, "timedelta(seconds=30)"),
        "store_timeout": seconds.positive("store_timeout", store_timeout, "1.0"),
    }
    deadline = seconds.optional("absolute_max_age", absolute_max_age, "timedelta(days=30)")
    if absolute_max_age is DEADLINE and deadline is not None:
        deadline = max(deadline, ages["max_age"], ages["remember_max_age"])
    anonymous = seconds.optional("anonymous_max_age", anonymous_max_age, "timedelta(hours=1)")
    rotation = seconds.optional("rotate_after", rotate_after, "timedelta(minutes=15)")
    if on_store_error not in ("error", "anonymous"):
        problems.append(
            bad_session_option("on_store_error", on_store_error, "'error' or 'anonymous'", 'on_store_error="error"')
        )
    if type(max_size) is not int or max_size < 1:
        problems.append(bad_session_option("max_size", max_size, "a number of bytes above 0", "max_size=1 << 20"))
    if max_per_principal is not None and (type(max_per_principal) is not int or max_per_principal < 1):
        example = "max_per_principal=20"
        problems.append(bad_session_option("max_per_principal", max_per_principal, "a number above 0", example))
    shape: Shape | None = None
    try:
        shape = None if data is None else Shape(data)
    except KickError as problem:
        problems.append(problem)
    raise_all(problems)
    name, checked = attributes.full_name(cookie_name), cast(Secret, secret)
    own = SessionCookie(name, Signer(checked), attributes)
    purpose = f"CSRF token beside {name}"
    return SessionOptions(
        cookie=own,
        token=TokenCookie(f"{name}.csrf", Signer(checked, purpose=purpose), own.attribute_text),
        path=attributes.path,
        absolute_max_age=deadline,
        anonymous_max_age=anonymous,
        rolling=rolling,
        save_uninitialized=save_uninitialized,
        rotate_after=rotation,
        shape=shape,
        on_store_error=on_store_error,
        max_size=max_size,
        max_per_principal=max_per_principal,
        on_event=on_event,
        **ages,
    )


def _cookie_options(cookie: CookieOptions | Mapping[str, Any] | None, problems: list[KickError]) -> CookieOptions:
    if cookie is None:
        return CookieOptions()
    if isinstance(cookie, CookieOptions):
        return cookie
    try:
        return CookieOptions(**cookie)
    except TypeError:
        known = ", ".join(field.name for field in dataclasses.fields(CookieOptions))
        problems.append(
            bad_session_option("cookie", dict(cookie), f"no keys but {known}", 'cookie={"same_site": "lax"}')
        )
        return CookieOptions()


class _Seconds:
    """Converts durations to seconds and collects the errors of those that are invalid."""

    def __init__(self, problems: list[KickError]) -> None:
        self._problems = problems

    def positive(self, name: str, value: Duration, example: str) -> float:
        try:
            seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
        except (TypeError, ValueError):
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            expected = "a timedelta or a number of seconds above 0"
            self._problems.append(bad_session_option(name, value, expected, f"{name}={example}"))
        return seconds

    def optional(self, name: str, value: Duration | None, example: str) -> float | None:
        return None if value is None else self.positive(name, value, example)
