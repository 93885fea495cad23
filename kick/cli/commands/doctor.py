"""`kick doctor`: checks of a set-up before it goes into production."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import anyio
import click

from kick.cli import terminal
from kick.cli.commands.info import version_rows, versions
from kick.cli.doctor_checks import Finding, Severity, of_cookies, of_folder, of_hosts, of_machine, of_parts
from kick.cli.env_file import ENVIRONMENT, enter
from kick.cli.error_report import place_of, show_warnings, shown
from kick.cli.errors import start_failed
from kick.cli.options import target_argument
from kick.cli.target import find_target, load_served
from kick.errors import KickError, SetupErrors

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@click.command("doctor")
@target_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    envvar="WEB_CONCURRENCY",
    help="The number of processes that will serve. [env: WEB_CONCURRENCY]",
)
@click.pass_context
def command(ctx: click.Context, target: str | None, as_json: bool, workers: int) -> None:
    """Check an application as `kick start` would serve it in production.

    It checks the packages, the folder, the secret, the cookies, the hosts, the session store, and all parts with a
    health check. Each finding has a fix. The exit code is 1 if there is an error. Warnings do not change it.

    \b
    Examples:
      $ kick doctor
      $ kick doctor --workers 4 --json
    """
    folder = Path.cwd()
    show_warnings()
    enter(folder, "production")
    findings = [*of_machine(), *of_folder(folder), *_of_application(target, folder, workers)]
    is_bad = any(finding.severity is Severity.ERROR for finding in findings)
    terminal.say(_as_json(findings, is_bad) if as_json else _as_text(findings))
    ctx.exit(1 if is_bad else 0)


def _of_application(target: str | None, folder: Path, workers: int) -> list[Finding]:
    from kick.app import App
    from kick.cli.production_checks import weaknesses

    try:
        app = load_served(find_target(target, folder), folder)
    except KickError as error:
        problems = error.problems if isinstance(error, SetupErrors) else (error,)
        return [Finding(Severity.ERROR, problem) for problem in problems]
    found = [Finding(Severity.ERROR, problem) for problem in weaknesses(app, workers=workers)]
    found += of_cookies(app)
    return [*found, *of_hosts(app), *anyio.run(_asked, app, workers)] if isinstance(app, App) else found


async def _asked(app: Any, workers: int) -> list[Finding]:
    from kick.cli.production_checks import unshared_limits

    try:
        await app.start()
        limits = [Finding(Severity.WARNING, problem) for problem in unshared_limits(app, workers=workers)]
        return [*await of_parts(app), *limits]
    except KickError as error:
        return [Finding(Severity.ERROR, error)]
    except Exception as error:  # noqa: BLE001  # a provider of the user may raise anything
        return [Finding(Severity.ERROR, start_failed(error))]
    finally:
        await app.aclose()


def _as_json(findings: list[Finding], is_bad: bool) -> str:
    described = [
        {
            "severity": finding.severity.value,
            "code": finding.problem.code,
            "cause": finding.problem.cause,
            "place": None if (place := place_of(finding.problem)) is None else str(place),
            "fix": finding.problem.fix,
        }
        for finding in findings
    ]
    return json.dumps(
        {"ok": not is_bad, "environment": _environment(), "versions": versions(), "findings": described}, indent=2
    )


def _as_text(findings: list[Finding]) -> str:
    facts = [*_environment().items(), *version_rows()]
    lines = ["", terminal.table([[terminal.dim(name), value] for name, value in facts]), ""]
    for severity, problem in findings:
        label = "error" if severity is Severity.ERROR else "warn"
        lines += [terminal.labelled(label, problem.code, color=_COLORS[severity]), terminal.labelled("", problem.cause)]
        if (place := place_of(problem)) is not None:
            lines.append(terminal.labelled("at", str(place)))
        lines += [terminal.labelled("fix", problem.fix, color="green"), ""]
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if findings:
        lines.append(
            f"  {_counted(errors, 'error')}, {_counted(len(findings) - errors, 'warning')}. Fix them, and run it again."
        )
    else:
        lines.append(f"  {terminal.green('well')}  Nothing to fix. Start it with {terminal.accent('kick start')}.")
    return "\n".join([*lines, ""])


def _environment() -> dict[str, str]:
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "folder": shown(str(Path.cwd())),
        "environment": os.environ[ENVIRONMENT],
    }


def _counted(number: int, noun: str) -> str:
    return terminal.counted(number, noun) if number else f"no {noun}s"
