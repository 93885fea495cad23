"""The error page for developers. It is not shown in production."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any, Final

from kick.errors import KickError
from kick.http.debug.traceback import Failure, Frame, failures, folded, owners
from kick.http.debug.traceback import readable_trace as readable_trace
from kick.http.response.base import HTML, ReadyResponse, Response

if TYPE_CHECKING:
    from kick.http.context.context import RequestContext

REDACTED: Final = "•••••• (redacted)"

_POLICY: Final = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_is_secret: Final = re.compile(
    r"auth|cookie|token|secret|key|csrf|xsrf|pass|credential|session|sid$|sign|code", re.I
).search
_accepted: Final = re.compile(r"\s*([^\s;,]+)([^,]*)(?:,|$)").finditer
_quality: Final = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.I).search


def prefers_html(accept: str) -> bool:
    """Return whether a client prefers HTML to JSON (RFC 9110, section 12.5.1). `*/*` is no preference.

    >>> prefers_html("text/html,*/*;q=0.8"), prefers_html("*/*"), prefers_html("")
    (True, False, False)
    >>> prefers_html("text/html;q=0.5, application/json")
    False
    """
    given: dict[str, float] = {}
    for match in _accepted(accept[:2000]):
        found = _quality(match[2])
        given[match[1].lower()] = 1.0 if found is None else float(found[1])
    html = given.get("text/html", given.get("text/*", 0.0))
    return html > 0 and html > max(given.get("application/json", 0.0), given.get("application/problem+json", 0.0))


def error_page(ctx: RequestContext[Any], error: BaseException, steps: Iterable[tuple[str, str]]) -> Response:
    """Return the page: the exceptions with their code, the request, the keys of the session, the middleware chain.

    `steps` is the chain, as pairs of kind and name. Values of variables and of the session, and request values that may
    be secret, are not shown.
    """
    chain = failures(error)
    page = Template(files("kick.http.debug").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(f"{chain[0].name}: {chain[0].message.partition(chr(10))[0][:100]}"),
        heading=_heading(ctx, chain[0], error),
        failures="".join(map(_failure, chain)),
        chain="".join(f"<li><b>{escape(name)}</b> <span>{escape(kind)}</span></li>" for kind, name in steps),
        request=_request(ctx),
        session=_session(ctx),
    )
    response = ReadyResponse(page.encode("utf-8", "replace"), 500, HTML)
    response.raw_headers += [(b"cache-control", b"no-store"), (b"content-security-policy", _POLICY)]
    return response


def _heading(ctx: RequestContext[Any], first: Failure, error: BaseException) -> str:
    handler = "" if ctx.route is None else f'<span class="handler">{escape(ctx.route.name)}</span>'
    fix = f'<div class="fix"><b>Fix</b><p>{_with_code(error.fix)}</p></div>' if isinstance(error, KickError) else ""
    message = error.cause if isinstance(error, KickError) else first.message
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in first.notes)
    return (
        f'<p class="where"><b>{escape(ctx.method)}</b> <span class="path">{escape(_path(ctx))}</span>{handler}</p>'
        f'<h1>{escape(first.name)}</h1><p class="message">{escape(message)}</p>{notes}{fix}'
    )


def _failure(failure: Failure) -> str:
    title = ""
    if failure.relation:
        notes = "".join(f'<p class="note">{escape(note)}</p>' for note in failure.notes)
        title = (
            f'<p class="relation">{escape(failure.relation)}</p><h2>{escape(failure.name)}</h2>'
            f'<p class="message small">{escape(failure.message)}</p>{notes}'
        )
    some_own = any(not frame.owner for frame in failure.frames)
    runs = [_run(is_shown, run, some_own=some_own) for is_shown, run in folded(failure.frames)]
    if failure.left_out:
        runs.append(f'<p class="quiet">{failure.left_out} more steps are left out.</p>')
    return f'<section class="failure">{title}<ol class="frames">{"".join(reversed(runs))}</ol></section>'


def _run(is_shown: bool, frames: list[Frame], *, some_own: bool) -> str:
    """Render frames, the last call first. Code of other packages is open only if no frame is of the application."""
    shown = [(frame, is_shown and not (frame.owner and some_own)) for frame in reversed(frames)]
    inner = "".join(_frame(frame, is_open=is_open) for frame, is_open in shown)
    if is_shown:
        return inner
    return f'<li><details class="others"><summary>{escape(owners(frames))}</summary><ol>{inner}</ol></details></li>'


def _frame(frame: Frame, *, is_open: bool) -> str:
    code = "".join(_line(frame, number, text) for number, text in frame.lines)
    owner = f'<span class="owner">{escape(frame.owner)}</span>' if frame.owner else ""
    return (
        f'<li class="frame {"foreign" if frame.owner else "own"}"><details{" open" if is_open else ""}><summary>'
        f'<span class="function">{escape(frame.function)}</span>{owner}'
        f'<span class="file">{escape(frame.file)}<b>:{frame.line}</b></span></summary>'
        f"<pre>{code}</pre></details></li>"
    )


def _line(frame: Frame, number: int, text: str) -> str:
    if number != frame.line:
        return f'<span class="line"><i>{number}</i>{escape(text)}\n</span>'
    if frame.span is None:
        code = escape(text)
    else:
        start, end = frame.span
        code = f"{escape(text[:start])}<mark>{escape(text[start:end])}</mark>{escape(text[end:])}"
    return f'<span class="line here"><i>{number}</i>{code}\n</span>'


def _request(ctx: RequestContext[Any]) -> str:
    headers = [(name, REDACTED if _is_secret(name) else value) for name, value in ctx.headers.items()]
    values = [(f"{{{name}}}", REDACTED if _is_secret(name) else str(value)) for name, value in ctx.params.items()]
    about = [("request id", ctx.request_id), ("client", ctx.client_ip or "unknown"), *values]
    return _table(about) + "<h3>Headers</h3>" + _table(headers)


def _session(ctx: RequestContext[Any]) -> str:
    session = ctx.opened_session
    if session is None:
        return '<p class="quiet">No session() runs for this route.</p>'
    try:
        data = session.state.open().value
        fields: Any = getattr(data, "__struct_fields__", None) or getattr(data, "__dataclass_fields__", ())
        names = sorted(map(str, data if isinstance(data, Mapping) else fields))
    except Exception as error:  # noqa: BLE001  # the page is shown even if the session cannot be loaded
        return f'<p class="quiet">It cannot be read: {escape(type(error).__name__)}.</p>'
    if not names:
        return '<p class="quiet">It is empty.</p>'
    keys = "".join(f"<li><code>{escape(name)}</code></li>" for name in names)
    return f'<ul class="keys">{keys}</ul><p class="quiet">The values are not shown.</p>'


def _path(ctx: RequestContext[Any]) -> str:
    """Return the path and the query, without values that may be secret."""
    query = ctx.scope.get("query_string", b"").decode("latin-1")
    pairs = [each.partition("=") for each in query.split("&") if each]
    shown = "&".join(f"{name}{sep}{'••••••' if _is_secret(name) else value}" for name, sep, value in pairs)
    return ctx.path + (f"?{shown}" if shown else "")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _with_code(text: str) -> str:
    """Return a text as HTML, with the parts between backticks as code."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if index % 2 else escape(part) for index, part in enumerate(parts))
