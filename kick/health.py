"""`Health()`: a module that tells the machines around an application how it is."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final

import anyio
import msgspec

from kick.concurrency import Threads
from kick.errors import KickError, raise_all
from kick.http.context.context import RequestContext
from kick.http.errors import list_problem
from kick.http.response.base import ReadyResponse, Response
from kick.http.routing.decorators import Controller, Get
from kick.http.validation.serialization import encode_json
from kick.module import Module

logger: Final = logging.getLogger("kick.health")

HEALTH_JSON: Final = b"application/health+json"

Ask = Callable[[], Any]
"""Says that all is well by returning, or that it is not, by raising or by returning `False`."""


class Health(Module):
    """A module with two addresses, `/health/live` and `/health/ready`, in the manner of health+json
    (draft-inadarei-api-health-check-06).

    *Live* is 200 as long as the application answers at all: when it is not, the process is to be started anew. *Ready*
    is 200 when it can do its work, and 503 when a check fails or the application is about to stop: then no more
    requests are to be sent to it for the time being.

    What is checked: every `Provider` that has a `health`, the stores of the sessions, and `checks`. All are asked at
    the same time.

    Arguments:
        prefix: what comes before `/live` and `/ready`.
        checks: functions without parameters, each named by its name. One that is no coroutine function runs in a
            thread.
        timeout: how long each check may take, in seconds.
        details: say which check failed and how. Whoever can reach the address reads it; what failed is in the log in
            any case, once when it begins and once when it is over.

    Raises `KickError`: `health-check` for a check that cannot be called, `health-timeout` for a `timeout` that is not
    above 0.

    >>> async def mail_is_sent() -> bool:
    ...     return True
    >>> Health(checks=[mail_is_sent])
    Module('health')
    """

    def __init__(
        self,
        *,
        prefix: str = "/health",
        checks: Sequence[Ask] = (),
        timeout: float = 1.0,
        details: bool = False,
    ) -> None:
        problem = list_problem(checks, "checks", "Health()")
        raise_all([problem] if problem is not None else _problems(checks, timeout))
        rounds = Rounds([(_name_of(check), check) for check in checks], timeout)
        super().__init__("health", controllers=[_controller(rounds, details=details)], prefix=prefix, session=False)


class Finding(msgspec.Struct, omit_defaults=True):
    """What came of one check."""

    status: str
    observedValue: float  # noqa: N815  # as the draft has it
    observedUnit: str  # noqa: N815
    output: str = ""
    """What went wrong."""


class Rounds:
    """Asks everything that is to be asked, at the same time, and each for so many seconds at most."""

    def __init__(self, checks: Sequence[tuple[str, Ask]], timeout: float) -> None:
        self._checks = list(checks)
        self._timeout = timeout
        self._threads = Threads()
        self._failing: set[str] = set()
        self._hanging: set[str] = set()

    async def ask(self, more: Sequence[tuple[str, Ask]]) -> dict[str, Finding]:
        """The findings by name; `more` is asked beside what was given at the beginning."""
        findings: dict[str, Finding] = {}
        async with anyio.create_task_group() as tasks:
            for name, check in _named_apart([*more, *self._checks]):
                findings[name] = Finding("fail", 0, "ms")
                tasks.start_soon(self._ask, name, check, findings)
        self._log(findings)
        return findings

    async def _ask(self, name: str, check: Ask, findings: dict[str, Finding]) -> None:
        begun = monotonic()
        output = f"It took longer than {self._timeout:g} s."
        with anyio.move_on_after(self._timeout):
            output = await self._outcome(name, check)
        took = round((monotonic() - begun) * 1000, 1)
        findings[name] = Finding("fail" if output else "pass", took, "ms", output)

    async def _outcome(self, name: str, check: Ask) -> str:
        """What is wrong; nothing, if all is well."""
        try:
            answer = check() if _is_async(check) else await self._in_thread(name, check)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
            return f"{type(error).__name__}: {error}"
        return "It says that it is not well." if answer is False else ""

    async def _in_thread(self, name: str, check: Ask) -> Any:
        """What a check returns that is no coroutine function; one that hangs is not asked a second time."""
        if name in self._hanging and name in self._threads.running:
            raise TimeoutError("It has not answered the last time yet.")
        self._hanging.discard(name)
        try:
            return await self._threads.run(check, name)
        except anyio.get_cancelled_exc_class():
            self._hanging.add(name)
            raise

    def _log(self, findings: dict[str, Finding]) -> None:
        for name, finding in findings.items():
            if finding.status == "fail" and name not in self._failing:
                self._failing.add(name)
                logger.warning("%s fails its health check: %s", name, finding.output)
            elif finding.status == "pass" and name in self._failing:
                self._failing.discard(name)
                logger.warning("%s passes its health check again", name)


def bad_check(given: object) -> KickError:
    """A check that cannot be called.

    >>> bad_check(True).cause
    'checks= of Health() has True, which cannot be called.'
    """
    return KickError(
        "health-check",
        cause=f"checks= of Health() has {given!r}, which cannot be called.",
        fix="Pass functions, which raise when something is wrong: `async def check() -> None: ...`, and "
        "`Health(checks=[check])`.",
    )


def bad_timeout(given: object) -> KickError:
    """A `timeout=` that is not above 0.

    >>> bad_timeout(0).fix
    'Say how many seconds a check may take: `timeout=1.0`.'
    """
    return KickError(
        "health-timeout",
        cause=f"timeout={given!r} of Health() is no number of seconds above 0.",
        fix="Say how many seconds a check may take: `timeout=1.0`.",
    )


def _problems(checks: Sequence[Any], timeout: Any) -> list[KickError]:
    problems: list[KickError] = [bad_check(check) for check in checks if not callable(check)]
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        problems.append(bad_timeout(timeout))
    return problems


def _controller(rounds: Rounds, *, details: bool) -> type:
    @Controller(session=False)
    class HealthController:
        @Get("/live")
        async def live(self, ctx: RequestContext[Any]) -> Response:
            return _response({"status": "pass"})

        @Get("/ready")
        async def ready(self, ctx: RequestContext[Any]) -> Response:
            if ctx.settings.shutdown.is_set:
                return _response({"status": "fail", "output": "The application is about to stop."}, 503)
            findings = await rounds.ask(ctx.settings.health())
            fails = any(finding.status == "fail" for finding in findings.values())
            said: dict[str, Any] = {"status": "fail" if fails else "pass"}
            if details:
                said["checks"] = {name: [finding] for name, finding in findings.items()}
            return _response(said, 503 if fails else 200)

    return HealthController


def _response(said: dict[str, Any], status: int = 200) -> Response:
    response = ReadyResponse(encode_json(said), status, HEALTH_JSON)
    response.raw_headers.append((b"cache-control", b"no-store"))
    return response


def _named_apart(checks: Sequence[tuple[str, Ask]]) -> list[tuple[str, Ask]]:
    """The checks, those of one name told apart by a number."""
    named: dict[str, Ask] = {}
    for name, check in checks:
        number = 2
        unique = name
        while unique in named:
            unique, number = f"{name} {number}", number + 1
        named[unique] = check
    return list(named.items())


def _is_async(check: Ask) -> bool:
    function = check
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _name_of(check: Any) -> str:
    return str(getattr(check, "__name__", type(check).__name__))
