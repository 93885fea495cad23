"""`Health()`: a module with health checks for load balancers and supervisors."""

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
from kick.http.validation.encoding import encode_json
from kick.module import Module

logger: Final = logging.getLogger("kick.health")

HEALTH_JSON: Final = b"application/health+json"

Ask = Callable[[], Any]
"""A function that fails by raising or by returning `False`. A `KickError` that it returns is a warning."""


class Health(Module):
    """A module with the routes `/health/live` and `/health/ready`.

    The responses have the format of draft-inadarei-api-health-check-06.

    *Live* is 200 as long as the application runs. If it fails, restart the process. *Ready* is 200 if the application
    can do its work. It is 503 if a check fails, or if the shutdown has begun. Then send no requests to it.

    The checks are those of every `Provider` with a `health`, the session stores, and `checks`. They run at the same
    time, and once for all requests that come meanwhile: whoever may call the route makes no check run twice at a time.
    A check that returns a `KickError` works, and warns: *ready* is 200 with the status `warn`.

    Arguments:
        prefix: the path before `/live` and `/ready`.
        checks: functions without parameters, reported by their names. A function that is not a coroutine function runs
            in a thread.
        timeout: the time limit for each check, in seconds.
        details: put the failed checks and their errors into the response. Use it only if the public cannot reach the
            route. The log has a failure in any case, once when it begins and once when it ends.

    Raises `KickError`: `health-check` for a check that is not callable, and `health-timeout` for a `timeout` that is
    not above 0.

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
        rounds = Rounds([(str(getattr(check, "__name__", type(check).__name__)), check) for check in checks], timeout)
        super().__init__("health", controllers=[_controller(rounds, details=details)], prefix=prefix, session=False)


class Finding(msgspec.Struct, omit_defaults=True):
    """The result of one check."""

    status: str
    observedValue: float  # noqa: N815  # as the draft has it
    observedUnit: str  # noqa: N815
    output: str = ""
    """The error, if the check failed, or the warning."""


class Round:
    """One run of all checks, and the requests that wait for it."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.findings: dict[str, Finding] | None = None
        """The result; `None` until the round ends, and if its request was cancelled."""


class Rounds:
    """Runs all checks at the same time, each with a time limit in seconds."""

    def __init__(self, checks: Sequence[tuple[str, Ask]], timeout: float) -> None:
        self._checks = list(checks)
        self._timeout = timeout
        # Separate threads: handlers that use up theirs must not make a check fail.
        self._threads = Threads()
        self._failing: set[str] = set()
        self._hanging: set[str] = set()
        self._round: Round | None = None

    async def ask(self, more: Sequence[tuple[str, Ask]]) -> dict[str, Finding]:
        """Run all checks, and those of `more`, and return the findings by name. If they run already, wait for them."""
        while (shared := self._round) is not None:
            await shared.ended.wait()
            if shared.findings is not None:
                return shared.findings
        self._round = own = Round()
        try:
            own.findings = await self._run(more)
        finally:
            self._round = None
            own.ended.set()
        return own.findings

    async def _run(self, more: Sequence[tuple[str, Ask]]) -> dict[str, Finding]:
        findings: dict[str, Finding] = {}
        async with anyio.create_task_group() as tasks:
            for name, check in _named_apart([*more, *self._checks]):
                # Entered in advance, so that the order is that of the checks and not of their ends.
                findings[name] = Finding("fail", 0, "ms")
                tasks.start_soon(self._ask, name, check, findings)
        self._log(findings)
        return findings

    async def _ask(self, name: str, check: Ask, findings: dict[str, Finding]) -> None:
        begun = monotonic()
        status, output = "fail", f"It took longer than {self._timeout:g} s."
        with anyio.move_on_after(self._timeout):
            status, output = await self._outcome(name, check)
        took = round((monotonic() - begun) * 1000, 1)
        findings[name] = Finding(status, took, "ms", output)

    async def _outcome(self, name: str, check: Ask) -> tuple[str, str]:
        """Run a check, and return its status and its error or warning."""
        try:
            answer = check() if _is_async(check) else await self._in_thread(name, check)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
            return "fail", f"{type(error).__name__}: {error}"
        if isinstance(answer, KickError):
            return "warn", answer.cause
        return ("fail", "It says that it is not well.") if answer is False else ("pass", "")

    async def _in_thread(self, name: str, check: Ask) -> Any:
        """Run a check in a thread. A check that hangs is not started a second time."""
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
            # Only changes are logged: a load balancer asks every few seconds.
            if finding.status == "fail" and name not in self._failing:
                self._failing.add(name)
                logger.warning("%s fails its health check: %s", name, finding.output)
            elif finding.status != "fail" and name in self._failing:
                self._failing.discard(name)
                logger.warning("%s passes its health check again", name)


def bad_check(given: object) -> KickError:
    """Return the error for a check that is not callable."""
    return KickError(
        "health-check",
        cause=f"checks= of Health() has {given!r}, which cannot be called.",
        fix="Pass functions, which raise when something is wrong: `async def check() -> None: ...`, and "
        "`Health(checks=[check])`.",
    )


def _problems(checks: Sequence[Any], timeout: Any) -> list[KickError]:
    problems: list[KickError] = [bad_check(check) for check in checks if not callable(check)]
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        problems.append(
            KickError(
                "health-timeout",
                cause=f"timeout={timeout!r} of Health() is no number of seconds above 0.",
                fix="Say how many seconds a check may take: `timeout=1.0`.",
            )
        )
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
            statuses = {finding.status for finding in findings.values()}
            fails = "fail" in statuses
            said: dict[str, Any] = {"status": "fail" if fails else "warn" if "warn" in statuses else "pass"}
            if details:
                said["checks"] = {name: [finding] for name, finding in findings.items()}
            return _response(said, 503 if fails else 200)

    return HealthController


def _response(said: dict[str, Any], status: int = 200) -> Response:
    response = ReadyResponse(encode_json(said), status, HEALTH_JSON)
    response.raw_headers.append((b"cache-control", b"no-store"))
    return response


def _named_apart(checks: Sequence[tuple[str, Ask]]) -> list[tuple[str, Ask]]:
    """Return the checks by name; equal names get a number."""
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
