"""`Module`: the controllers, providers and middleware of one feature."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Self

from kick.errors import KickError, raise_all
from kick.http.errors import list_problem, not_a_module, unknown_module_option
from kick.http.middleware import AnyMiddleware
from kick.http.mounts import mapping_problem
from kick.http.response.static import StaticFiles
from kick.http.routing.decorators import SessionUse
from kick.lifecycle import lifespan_problem

_OF_OTHERS: Final = ("imports", "exports")
_NONE: Final[Mapping[str, Any]] = {}


class Module:
    """One feature of an application. List it in `bootstrap(modules=[...])`.

    Arguments:
        name: its name in `kick routes` and in error messages.
        controllers: the classes that handle its requests.
        providers: classes, provider functions, `Provider`s and instances that it adds to the container. The whole
            application shares one container.
        prefix: the path before those of its controllers.
        middleware: runs around all its handlers, inside the middleware of the application; it sees exceptions.
        session: `False` switches the session off for all its routes, unless a controller or route says otherwise. A
            mount has a session only with `True`.
        version: the version of its API, such as `"v1"`: `/v1` comes before the prefix. A controller may have another.
        mounts: ASGI applications and `StaticFiles` by path. A mount gets the requests that match no route.

        lifespan: `@asynccontextmanager async def lifespan(app): ...`. It is entered when all providers are built, in
            the order of the modules, and left in the reverse order.

    Raises `KickError`: `list-missing` for an argument that is not a list, `mount` for `mounts` that is not a mapping of
    paths, `lifespan` for a lifespan that is not an async context manager, and `module-option` for `imports=` and the
    like of other frameworks.

    >>> Module("shop", controllers=[], prefix="/shop")
    Module('shop')
    """

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Refuse what modules of other frameworks have, with an error that says more than Python's own."""
        name = arguments[0] if arguments else options.get("name")
        raise_all(unknown_module_option(name, each) for each in _OF_OTHERS if each in options)
        return super().__new__(cls)

    def __init__(
        self,
        name: str,
        *,
        controllers: Sequence[type] = (),
        providers: Sequence[Any] = (),
        prefix: str = "",
        middleware: Sequence[AnyMiddleware] = (),
        session: SessionUse | None = None,
        version: str | None = None,
        mounts: Mapping[str, Callable[..., Awaitable[Any]] | StaticFiles] = _NONE,
        lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        options = {"controllers": controllers, "providers": providers, "middleware": middleware}
        owner = f"Module({name!r})"
        lists = [list_problem(given, option, owner) for option, given in options.items()]
        others = [mapping_problem(mounts, f"mounts= of {owner}"), lifespan_problem(lifespan, owner)]
        raise_all(filter(None, [*lists, *others]))
        self.name = name
        self.controllers = tuple(controllers)
        self.providers = tuple(providers)
        self.prefix = prefix
        self.middleware = tuple(middleware)
        self.session: SessionUse | None = session
        self.version = version
        self.mounts: Mapping[str, Any] = dict(mounts)
        self.lifespan = lifespan

    def __repr__(self) -> str:
        return f"Module({self.name!r})"


def modules_of(given: Any) -> tuple[list[Module], list[KickError]]:
    """Return the modules among the arguments, and the errors of the others.

    >>> modules_of([Module("shop"), "blog"])[0]
    [Module('shop')]
    """
    if isinstance(given, Module) or not isinstance(given, Iterable):
        return [], [not_a_module(given, in_list=False)]
    modules: list[Module] = []
    problems: list[KickError] = []
    for each in given:
        if isinstance(each, Module):
            modules.append(each)
        else:
            problems.append(not_a_module(each))
    return modules, problems
