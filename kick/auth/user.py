"""`authentication()`: provides the logged-in user to handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Any, Final, get_args

from kick.auth.errors import LoginRequired, bad_loader
from kick.auth.identities import USER_TYPE, Identity, identity
from kick.di import Container, Provider
from kick.di.errors import unresolved_hint
from kick.di.graph import is_hashable
from kick.di.hints import Unresolved
from kick.di.naming import place_of
from kick.di.signature import Need, Unhinted, made_by, needs_of
from kick.errors import KickError
from kick.http import Middleware, Raises, RequestContext, Route, Settings
from kick.middleware.session import SessionLayer
from kick.session.errors import session_needed

_CONTEXT: Final = "_context"
"""Name of a parameter beside those of a loader, which may take a `ctx` of its own."""


class AuthenticationLayer(Middleware):
    """Middleware of `authentication()`. It adds providers, and does not run for requests."""

    uses_session = False

    def __init__(self, providers: Sequence[Provider], user_type: Any = None) -> None:
        self.providers = tuple(providers)
        self._user_type = user_type
        self._asked: dict[Any, bool] = {}

    def configure(self, settings: Settings) -> None:
        """Tell the guards the type of users, so that a test can override it."""
        settings.shared[USER_TYPE] = self._user_type

    def for_route(self, route: Route | None) -> None:
        """Return nothing to run: the user is loaded when a handler asks for it."""

    async def admit(self, ctx: RequestContext[Any]) -> None:
        """Reject anonymous users of a handler that needs a user, before another middleware reads the body."""
        route, container = ctx.route, ctx.settings.container
        if route is None or route.is_mount or container is None or container.overridden:
            return
        asks = self._asked.get(route.handler)
        if asks is None:
            asks = self._asked[route.handler] = self._asks(route, container)
        if asks and identity(ctx) is None:
            raise LoginRequired

    def _asks(self, route: Route, container: Container) -> bool:
        """Return true if a handler or its controller needs a user, at any depth."""
        required = [Identity] if self._user_type is None else [Identity, self._user_type]
        hints = [route.controller, *(need.hint for need in needs_of(route.handler))]
        keys = [each for each in hints if not isinstance(each, Unhinted | Unresolved) and is_hashable(each)]
        provided = [key for key in keys if container.provides(key)]
        return any(key == each or container.needs(key, each) for key in provided for each in required)

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the errors about its position among the middleware."""
        found = any(isinstance(layer, SessionLayer) for layer in (*before, *after))
        return [] if found else [session_needed("authentication()", "authentication()")]


def authentication(load_user: Callable[..., Any] | None = None) -> AuthenticationLayer:
    """Provide the logged-in user by type.

    Arguments:
        load_user: loads the user with the id that was passed to `login()`, and returns `None` if the user does not
            exist. Its other parameters are injected. Its return type, `User | None`, is the type that handlers ask for.

    | parameter of a handler | value |
    |---|---|
    | `user: User` | the user; anonymous users get a 401 before the body is validated |
    | `user: User \\| None` | the user, or `None` |
    | `who: Identity`, `who: Identity \\| None` | the id, the roles and the time of the login; nothing is loaded |

    The user is loaded at most once for each request, and only if a handler or dependency asks for it. It has the scope
    `handler`: a stream or WebSocket does not hold what the loader needed, if that has this scope too.

    Raises `KickError`: `auth-loader` if `load_user` takes no id or has no return type.

    >>> class User: ...
    >>> async def load_user(user_id: int) -> User | None: ...
    >>> authentication(load_user).providers[0]
    Provider(User | None, load)
    """
    loaded = [] if load_user is None else _providers_of(load_user)
    user_type = loaded[-1].key if loaded else None
    own = [Provider(Identity | None, identity_of_request), Provider(Identity, known)]
    return AuthenticationLayer([*loaded, *own], user_type)


def identity_of_request(ctx: RequestContext) -> Identity | None:
    """Provide `Identity | None`."""
    return identity(ctx)


@Raises(LoginRequired, security="session")
def known(who: Identity | None) -> Identity:
    """Provide `Identity`. Raises `LoginRequired` for an anonymous user."""
    if who is None:
        raise LoginRequired
    return who


def _providers_of(load_user: Callable[..., Any]) -> list[Provider]:
    user_type = _user_type(load_user)
    needs = needs_of(load_user)
    if not needs or needs[0].parameter.kind is Parameter.KEYWORD_ONLY:
        raise bad_loader(load_user, "it does not take the id of a user")

    async def load(**needed: Any) -> Any:
        who = identity(needed.pop(_CONTEXT))
        if who is None:
            return None
        user = load_user(who.user_id, **needed)
        return await user if inspect.isawaitable(user) else user

    @Raises(LoginRequired, security="session")
    async def present(user: Any) -> Any:
        if user is None:
            raise LoginRequired
        return user

    # The parameters of the loader are known only now, and the container reads them from the signature.
    _say(load, [_parameter(_CONTEXT, RequestContext), *(_passed_on(each, load_user) for each in needs[1:])])
    _say(present, [_parameter("user", user_type | None)])
    return [Provider(user_type | None, load, scope="handler"), Provider(user_type, present, scope="handler")]


def _user_type(load_user: Any) -> Any:
    if not callable(load_user) or isinstance(load_user, type):
        raise bad_loader(load_user, "it is no function")
    made = made_by(load_user)
    args = get_args(made)
    types = [each for each in args if each is not type(None)] if type(None) in args else [made]
    if len(types) != 1 or types[0] is Any:
        raise bad_loader(load_user, "it does not say which type of user it returns")
    return types[0]


def _say(function: Any, parameters: Sequence[Parameter]) -> None:
    """Replace the parameters and types of a function that the container sees."""
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {each.name: each.annotation for each in parameters}


def _parameter(name: str, hint: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def _passed_on(need: Need, load_user: Callable[..., Any]) -> Parameter:
    hint = need.hint
    if isinstance(hint, Unresolved):
        where = f"the parameter {need.name!r} of the loader at {place_of(load_user)}"
        raise unresolved_hint(where, hint.text, hint.reason, statement=hint.statement)
    return _parameter(need.name, hint, need.parameter.default)
