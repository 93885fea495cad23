"""Errors of sessions.

Set-up errors are functions that return a `KickError`. While requests run:

    SessionUnavailable       503: the store is down or slow (an HTTPError)
    SessionEnded             409: another request has ended the session (an HTTPError)
    SessionChanged           409: another request has changed what a transaction relies on (an HTTPError)
    SessionClosed            a write to a session that takes no more writes
    SessionTooLarge          more data than `max_size` allows
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException

from kick.errors import KickError, PicklableError
from kick.exceptions import Conflict, ServiceUnavailable


def bad_session_cookie(problem: str, fix: str) -> KickError:
    """Return the error of a cookie that browsers would reject, or that would break the header."""
    return KickError("session-cookie", cause=f"The session cookie cannot be set: {problem}.", fix=fix)


def bad_session_option(name: str, value: object, expected: str, example: str) -> KickError:
    """Return the error of an option of `session()` with an invalid value."""
    return KickError(
        "session-option",
        cause=f"session({name}={value!r}): expected {expected}.",
        fix=f"For example `session({example})`.",
    )


def no_transactions(store: object) -> KickError:
    """Return the error for `commit_with()` over a store that is in no database of the application."""
    return KickError(
        "session-transaction",
        cause=f"{type(store).__name__} cannot store a session in a transaction of the application.",
        fix='Keep the sessions in the database of the application: `session(store="postgresql://...")`. Or call '
        "`await ctx.session.save()` after the commit.",
    )


def unknown_store(shown: str, known: Sequence[str]) -> KickError:
    """Return the error of a `store=` that is neither a URL that kick knows nor a store."""
    return KickError(
        "session-store-unknown",
        cause=f"session(store={shown}) is no store. URLs begin with: {', '.join(known)}.",
        fix='Pass a URL, such as `session(store="sqlite:///sessions.db")`, or an object with the coroutine methods '
        "`get(sid)`, `set(sid, data, max_age)` and `destroy(sid)`.",
    )


def missing_store_method(store: object, method: str, signature: str) -> KickError:
    """Return the error of a custom store that lacks a method, or has it as a plain function."""
    return KickError(
        "session-store-method",
        cause=f"{type(store).__qualname__} has no coroutine method {method!r}.",
        fix=f"Add `async def {signature}` to the class.",
    )


def store_without_index(store: object) -> KickError:
    """Return the error of `sessions.of()`, `revoke()` or `max_per_principal` on a store without an index."""
    return KickError(
        "session-store-no-index",
        cause=f"{type(store).__qualname__} cannot find sessions by principal: get/set/destroy give no index.",
        fix='Use a store that can, such as `session(store="sqlite:///sessions.db")`.',
    )


def session_name_taken(name: str) -> KickError:
    """Return the error of two `session()` layers with one cookie."""
    return KickError(
        "session-cookie-twice",
        cause=f"Two session() layers on one route have the cookie {name!r}: each would overwrite that of the other.",
        fix='Give the second one a name of its own: `session(secret=secret, cookie_name="admin.sid")`.',
    )


def session_shared(name: str, other: str) -> KickError:
    """Return the error of two `session()` layers that accept each other's cookies."""
    return KickError(
        "session-shared",
        cause=f"Two session() layers, with the cookies {other!r} and {name!r}, have one secret and one store: whoever "
        f"sends the value of one cookie under the name of the other is logged in there.",
        fix='Give the second one a secret of its own: `session(os.environ["ADMIN_SECRET"], cookie_name="admin.sid")`.',
    )


def session_needed(
    user: str, middleware: str = "", *, switched_off: str | None = None, place: str = "the route"
) -> KickError:
    """Return the error of `csrf()`, `@Authenticated` and the like if no `session()` runs."""
    listed = ", ".join(filter(None, ['session(secret=os.environ["SESSION_SECRET"])', middleware]))
    if switched_off is None:
        cause = f"{user} works over the session, and there is no session()."
        fix = f"Add it: `middleware=[{listed}]`."
    else:
        cause = f"{user} works over the session, which is switched off for {switched_off}."
        fix = f"Switch it on: `session=True` on {place}."
    return KickError("session-needed", cause, fix)


def bad_trusted_origin(given: object) -> KickError:
    """Return the error of a text in `csrf(trusted_origins=...)` that no browser sends as an `Origin`."""
    return KickError(
        "csrf-trusted-origin",
        cause=f"csrf(trusted_origins=[{given!r}]) is no origin: it is a scheme, a host in lower case and a port "
        "that is not the default one, and nothing after them (RFC 6454, section 6.2).",
        fix='Write it as browsers do: `trusted_origins=["https://admin.example.com"]`.',
    )


class SessionUnavailable(ServiceUnavailable, HTTPException):  # type: ignore[misc]
    """The store did not answer or failed, so the session of this request is not known.

    `state` says for clients what is wrong with the store.

    It is also an exception of Starlette, so an application of Starlette, FastAPI or Litestar responds with 503.
    """

    def __init__(self, state: str = "does not answer") -> None:
        super().__init__(f"The session store {state}.", retry_after=1)
        self.status_code = self.status


class SessionEnded(Conflict, HTTPException):  # type: ignore[misc]
    """Another request has ended the session, so there is no count to return."""

    def __init__(self) -> None:
        super().__init__("The session has ended meanwhile.")
        self.status_code = self.status


class SessionChanged(Conflict, HTTPException):  # type: ignore[misc]
    """Another request has changed a value that `commit_with(expect=...)` relies on. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("The session has changed meanwhile.")
        self.status_code = self.status


class SessionTooLarge(PicklableError, ValueError):
    """The session has more data than `max_size` allows. Nothing was written."""

    def __init__(self, size: int, limit: int, largest: str) -> None:
        super().__init__(
            f"The session would have {size} bytes, most of them in data[{largest!r}]; session(max_size=...) allows "
            f"{limit}. Keep such things in a database, and their id in the session."
        )


class SessionClosed(PicklableError, RuntimeError):
    """A write to a session that can no longer be stored. It is raised by the write itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The session takes no more writes: {reason}")


def session_destroyed() -> Exception:
    """Return the error of a write to a session that this request has destroyed."""
    return SessionClosed("it was destroyed. For a new one, `await ctx.session.regenerate()`.")


def handshake_over() -> Exception:
    """Return the error of an action that needs a cookie after the handshake of a WebSocket."""
    return SessionClosed("the handshake is over, and no cookie can be sent any more. Do it before `socket.accept()`.")


def response_started() -> Exception:
    """Return the error of a write after the response has started."""
    return SessionClosed("the response has started. Write before the handler returns.")
