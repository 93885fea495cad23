"""Content security policies (CSP level 3), checked at start-up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from kick.errors import KickError, similar

NONCE: Final = "'nonce'"
"""Placeholder for `ctx.csp_nonce` among the sources of a directive. Without a nonce it is omitted."""

Directives: TypeAlias = Mapping[str, str | Sequence[str] | None]
"""Sources by directive, as a text with spaces or as a list. `None` removes a directive of the default."""

DEFAULT: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "default-src": ("'self'",),
        "script-src": ("'self'", NONCE),
        "style-src": ("'self'", NONCE),
        "img-src": ("'self'", "data:"),
        "object-src": ("'none'",),
        "base-uri": ("'none'",),
        "form-action": ("'self'",),
        "frame-ancestors": ("'none'",),
    }
)

_DIRECTIVES: Final = frozenset(
    [
        "default-src",
        "script-src",
        "script-src-elem",
        "script-src-attr",
        "style-src",
        "style-src-elem",
        "style-src-attr",
        "img-src",
        "font-src",
        "connect-src",
        "media-src",
        "object-src",
        "frame-src",
        "child-src",
        "worker-src",
        "manifest-src",
        "fenced-frame-src",
        "base-uri",
        "form-action",
        "frame-ancestors",
        "sandbox",
        "report-to",
        "report-uri",
        "upgrade-insecure-requests",
        "require-trusted-types-for",
        "trusted-types",
    ]
)
_WITHOUT_SOURCES: Final = frozenset({"sandbox", "upgrade-insecure-requests", "trusted-types"})
_KEYWORDS: Final = frozenset(
    [
        "self",
        "none",
        "unsafe-inline",
        "unsafe-eval",
        "strict-dynamic",
        "unsafe-hashes",
        "report-sample",
        "wasm-unsafe-eval",
        "script",
    ]
)
_NO_KEYWORDS: Final = frozenset({"sandbox", "report-to", "report-uri", "trusted-types"})
_is_source: Final = re.compile(r"[!-+\--:<-~]+").fullmatch
"""Visible ASCII without `,` and `;`, which end a policy and a directive."""


def bad_policy(problem: str, example: str) -> KickError:
    """Return the error of an invalid content security policy."""
    return KickError("security-csp", cause=f"security_headers(csp=...): {problem}.", fix=f"Write `csp={{{example}}}`.")


class Policy:
    """A policy as it is sent, with and without a nonce.

    >>> policy = Policy({"script-src": ["'self'", NONCE], "img-src": "'self' data:"})
    >>> policy.plain
    b"script-src 'self'; img-src 'self' data:"
    >>> policy.with_nonce("r4nd0m")
    b"script-src 'self' 'nonce-r4nd0m'; img-src 'self' data:"

    Raises `KickError`: `security-csp`.
    """

    def __init__(self, directives: Mapping[str, str | Sequence[str]]) -> None:
        parsed = {name: _sources(name, sources) for name, sources in directives.items()}
        self._template = "; ".join(" ".join([name, *sources]) for name, sources in parsed.items()).encode("ascii")
        without = {name: [each for each in sources if each != NONCE] or ["'none'"] for name, sources in parsed.items()}
        bare = {name: without[name] if sources else [] for name, sources in parsed.items()}
        self.plain = "; ".join(" ".join([name, *sources]) for name, sources in bare.items()).encode("ascii")

    def with_nonce(self, nonce: str) -> bytes:
        """Return the policy that allows scripts and styles with this nonce."""
        return self._template.replace(b"'nonce'", b"'nonce-%s'" % nonce.encode("ascii"))


def policy_of(directives: Directives) -> Policy | None:
    """Return the default policy with these directives replaced; `None` if none is left.

    >>> policy_of({"img-src": "*", **dict.fromkeys(list(DEFAULT)[1:3]), "form-action": None}).plain
    b"default-src 'self'; img-src *; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    """
    if not isinstance(directives, Mapping):
        raise bad_policy(f"{directives!r} is no mapping of directives", '"img-src": "\'self\' data:"')
    merged: dict[str, Any] = {**DEFAULT, **directives}
    kept = {name: sources for name, sources in merged.items() if sources is not None}
    return Policy(kept) if kept else None


def _sources(name: str, given: str | Sequence[str]) -> list[str]:
    if name not in _DIRECTIVES:
        near = similar(str(name), sorted(_DIRECTIVES), most=1) or ["img-src"]
        raise bad_policy(f"{name!r} is no directive", f'"{near[0]}": "\'self\'"')
    sources = given.split() if isinstance(given, str) else [*given]
    if not sources and name not in _WITHOUT_SOURCES:
        raise bad_policy(f"{name} names no source", f'"{name}": "\'none\'"')
    for source in sources:
        _check_source(name, source)
    if "'none'" in sources and len(sources) > 1:
        raise bad_policy(f"{name} has 'none' beside other sources", f'"{name}": "\'none\'"')
    return sources


def _check_source(name: str, source: object) -> None:
    if not isinstance(source, str) or not _is_source(source):
        raise bad_policy(f"{source!r} is no source of {name}: a list has one in each item", f'"{name}": ["\'self\'"]')
    if source in _KEYWORDS and name not in _NO_KEYWORDS:
        raise bad_policy(f"{source} of {name} is a keyword, which is written in quotes", f'"{name}": "\'{source}\'"')
    if source.startswith(("'nonce-", "nonce-")):
        raise bad_policy(
            f"{name} has a nonce that is always the same: write 'nonce', and ctx.csp_nonce in the template",
            f'"{name}": "\'self\' {NONCE}"',
        )
