"""`Module`: the controllers, providers and middleware of one feature."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from kick.errors import KickError, raise_all
from kick.http.errors import list_problem, not_a_module
from kick.http.mounts import mapping_problem
from kick.http.response.static import StaticFiles
from kick.lifecycle import lifespan_problem

_NONE: Final[Mapping[str, Any]] = {}


class Module:
    """One feature of an application, to be listed in `bootstrap(modules=[...])`.

    Arguments:
        name: how `kick routes` and error messages call it.
        controllers: the classes that handle its requests.
        providers: what it adds to the container: classes, provider functions, `Provider`s, instances. The container is
            one for the whole application.
        prefix: put before the paths of its controllers.
        middleware: around all its handlers, inside of the application's; it sees their exceptions.
        session: `False` switches the session off for all its routes, where no controller or route says otherwise.
            Mounts have one with `True` only.
        version: the version of its API, such as `"v1"`: `/v1` stands before the prefix. A controller may have another.
        mounts: ASGI applications, and `StaticFiles`, by the path below which they answer what no route does.

        lifespan: called with the application; its async context manager is entered when everything is built, in the
            order of the modules, and left in the reverse order: `@asynccontextmanager async def lifespan(app): ...`.

    Raises `KickError`: `list-missing` where a list is missing, `mount` for `mounts` that is no mapping of paths, and
    `lifespan` for a lifespan that is no async context manager.

    >>> Module("shop", controllers=[], prefix="/shop")
    Module('shop')
    """

    def __init__(
        self,
        name: str,
        *,
        controllers: Sequence[type] = (),
        providers: Sequence[Any] = (),
        prefix: str = "",
        middleware: Sequence[Any] = (),
        session: bool | None = None,
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
        self.session = session
        self.version = version
        self.mounts: Mapping[str, Any] = dict(mounts)
        self.lifespan = lifespan

    def __repr__(self) -> str:
        return f"Module({self.name!r})"


def modules_of(given: Any) -> tuple[list[Module], list[KickError]]:
    """The modules among what was given, and what is wrong with the rest.

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
