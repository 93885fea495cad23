"""`Module`: the controllers, providers and middleware of one feature."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from kick.errors import raise_all
from kick.http.errors import list_problem
from kick.http.mounts import mapping_problem
from kick.http.static import StaticFiles

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

    Raises `NotAList` where a list is missing, and `BadMount` for `mounts` that is no mapping of paths.

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
    ) -> None:
        options = {"controllers": controllers, "providers": providers, "middleware": middleware}
        raise_all(filter(None, (list_problem(given, option, f"Module({name!r})") for option, given in options.items())))
        raise_all(filter(None, [mapping_problem(mounts, f"mounts= of Module({name!r})")]))
        self.name = name
        self.controllers = tuple(controllers)
        self.providers = tuple(providers)
        self.prefix = prefix
        self.middleware = tuple(middleware)
        self.session = session
        self.version = version
        self.mounts: Mapping[str, Any] = dict(mounts)

    def __repr__(self) -> str:
        return f"Module({self.name!r})"
