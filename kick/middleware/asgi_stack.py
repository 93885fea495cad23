"""ASGI middleware around the whole application: trusted proxies, observers, one length, allowed hosts.

They are in this order from the outside, so observers know the true client and see requests for wrong hosts too. If none
is switched on, nothing is added.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from starlette.middleware import Middleware as ASGIMiddleware
from starlette.types import ASGIApp

from kick.errors import KickError, SetupErrors
from kick.http.errors import list_problem, not_asgi_middleware
from kick.http.exception_handlers import reraising
from kick.http.observers import Finished, Observed, ObservedRequest
from kick.middleware.access_log.log import AccessLog

if TYPE_CHECKING:
    from kick.middleware.proxies import TrustedProxies

PROXIES_VARIABLE: Final = "KICK_TRUSTED_PROXIES"
"""The trusted proxies, if the application does not set them: a number, or networks separated by commas."""

Wrap: TypeAlias = Callable[[ASGIApp], ASGIApp]


class ASGIStack:
    """The options of `bootstrap()` for ASGI middleware, checked; `problems` has their mistakes."""

    def __init__(self, *, trusted_proxies: Any, allowed_hosts: Any, access_log: Any, modules: Iterable[Any]) -> None:
        self.problems: list[KickError] = []
        self.observers: list[Any] = [each for module in modules for each in getattr(module, "observers", ())]
        self._proxies: TrustedProxies | None = None
        self._hosts: Sequence[str] | None = None
        self.checks_hosts = allowed_hosts is not None
        try:
            self._proxies = trusted(trusted_proxies)
        except KickError as problem:
            self.problems += problem.problems if isinstance(problem, SetupErrors) else (problem,)
        try:
            log = AccessLog.of(access_log)
            self.observers += [] if log is None else [log]
        except KickError as problem:
            self.problems.append(problem)
        if allowed_hosts is not None:
            self._take_hosts(allowed_hosts)

    def wraps(self, asgi_middleware: Sequence[ASGIMiddleware], *, reraises: bool) -> list[Wrap]:
        """Return the ASGI middleware around the application, the outermost first, and check it."""
        problem = list_problem(asgi_middleware, "asgi_middleware", "bootstrap()")
        given: Sequence[Any] = [] if problem is not None else [*asgi_middleware]
        self.problems += [] if problem is None else [problem]
        self.problems += [not_asgi_middleware(each) for each in given if not isinstance(each, ASGIMiddleware)]
        self.checks_hosts |= any(_is_check_of_hosts(each) for each in given)
        wraps: list[Wrap] = []
        proxies, hosts = self._proxies, self._hosts
        if proxies is not None:
            from kick.middleware.proxies import ProxiedApp  # on first use, as below: most applications do without

            wraps.append(lambda app: ProxiedApp(app, proxies))
        if self.observers:
            finished = _each(self.observers)
            wraps.append(lambda app: Observed(app, finished))
            wraps += [each.around for each in self.observers if hasattr(each, "around")]
        if proxies is not None:  # only a proxy can go by the other length
            from kick.middleware.framing import CheckedFraming

            wraps.append(CheckedFraming)
        if hosts is not None:
            from kick.middleware.hosts import AllowedHosts, HostPatterns

            wraps.append(lambda app: AllowedHosts(app, HostPatterns(hosts).allow))
        return [*wraps, *map(_wrap, given), *([reraising] if reraises else [])]

    def attach(self, layers: Iterable[Any]) -> None:
        """Pass the middleware of the application to its observers."""
        for each in self.observers:
            if hasattr(each, "attach"):
                each.attach(layers)

    def _take_hosts(self, given: Any) -> None:
        problem = list_problem(given, "allowed_hosts", "bootstrap()")
        if problem is not None:
            self.problems.append(problem)
            return
        from kick.middleware.hosts import host_problems

        self._hosts = [*given]
        self.problems += host_problems(self._hosts)


def _is_check_of_hosts(entry: Any) -> bool:
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    cls = getattr(entry, "cls", None)
    return isinstance(cls, type) and issubclass(cls, TrustedHostMiddleware)


def trusted(given: Any) -> TrustedProxies | None:
    """Return the trusted proxies, from the argument or the environment; `None` for none."""
    said = os.environ.get(PROXIES_VARIABLE, "")
    if given is None and not said:
        return None
    from kick.middleware.proxies import TrustedProxies

    return TrustedProxies.of_text(said) if given is None else TrustedProxies.of(given)


def _each(observers: Sequence[Any]) -> Finished:
    """Return a function that calls all observers."""
    if len(observers) == 1:
        return observers[0].finished  # type: ignore[no-any-return]

    def finished(exchange: ObservedRequest) -> None:
        for each in observers:
            each.finished(exchange)

    return finished


def _wrap(middleware: ASGIMiddleware) -> Wrap:
    return lambda app: middleware.cls(app, *middleware.args, **middleware.kwargs)
