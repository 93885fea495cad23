"""Rules for the options of `OpenAPI(...)`: the expected kind of each, an example, and a check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from kick.openapi.json_values import json_problem

Rule: TypeAlias = tuple[str, str, Callable[[Any], bool]]

_component: Final = re.compile(r"[A-Za-z0-9._-]+")
"""Names in the Components Object (OpenAPI 3.1, section 4.8.7)."""

_SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {
    "apiKey": ("name", "in"),
    "http": ("scheme",),
    "mutualTLS": (),
    "oauth2": ("flows",),
    "openIdConnect": ("openIdConnectUrl",),
}
"""The types of security schemes, and the fields that each needs (section 4.8.27)."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_title(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_optional_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and not set(value) & set("{}?# ")


def _is_component(value: Any) -> bool:
    return isinstance(value, str) and _component.fullmatch(value) is not None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_mapping(value: Any, key: Callable[[Any], bool], member: Callable[[Any], bool]) -> bool:
    return isinstance(value, Mapping) and all(key(name) and member(each) for name, each in value.items())


def _is_json(value: Any) -> bool:
    return isinstance(value, Mapping) and json_problem(value) is None


def _is_server(value: Any) -> bool:
    return isinstance(value, str) or (_is_json(value) and _is_text(value.get("url")))


def _is_requirement(value: Any) -> bool:
    return _is_mapping(value, _is_text, lambda scopes: _is_list(scopes) and all(map(_is_text, scopes)))


def _is_scheme(value: Any) -> bool:
    needed = _SCHEMES.get(value.get("type")) if _is_json(value) else None
    return needed is not None and all(name in value for name in needed)


def _is_tag(value: Any) -> bool:
    """Return true for a description, or a Tag Object without its name (section 4.8.22)."""
    if not _is_json(value):
        return _is_text(value)
    docs = value.get("externalDocs", {"url": ""})
    is_known = all(name in ("description", "externalDocs") or _is_extension(name) for name in value)
    return is_known and _is_text(value.get("description", "")) and _is_json(docs) and _is_text(docs.get("url"))


def _has_fields(*names: str, required: str = "") -> Callable[[Any], bool]:
    """Return the check of an optional object of texts with these fields, and others whose names begin with `x-`."""

    def fits(value: Any) -> bool:
        if value is None:
            return True
        is_known = _is_mapping(value, lambda name: name in names or _is_extension(name), lambda each: each is not None)
        texts = is_known and all(_is_text(value[name]) for name in names if name in value)
        return texts and (not required or required in value) and _is_json(value)

    return fits


def _is_extension(name: Any) -> bool:
    return isinstance(name, str) and name.startswith("x-")


RULES: Final[Mapping[str, Rule]] = {
    "title": ("a text", '"Shop"', _is_title),
    "version": ("a text", '"1.0"', _is_title),
    "summary": ("a text", '"..."', _is_optional_text),
    "description": ("a text", '"..."', _is_optional_text),
    "terms_of_service": ("a text", '"..."', _is_optional_text),
    "external_docs": ("a text", '"..."', _is_optional_text),
    "path": ("a path", '"/openapi.json"', _is_path),
    "page": ("a path", '"/docs"', lambda value: value is None or _is_path(value)),
    "in_production": ("True or False", "False", lambda value: isinstance(value, bool)),
    "contact": (
        "a mapping with name, url and email",
        '{"email": "support@example.com"}',
        _has_fields("name", "url", "email"),
    ),
    "license": (
        "a mapping with a name, and an identifier or url",
        '{"name": "MIT"}',
        _has_fields("name", "identifier", "url", required="name"),
    ),
    "tags": (
        "a mapping of texts or Tag Objects",
        '{"notes": "Notes of a user."}',
        lambda value: _is_mapping(value, _is_text, _is_tag),
    ),
    "security_schemes": (
        "a mapping of Security Scheme Objects",
        '{"bearer": {"type": "http", "scheme": "bearer"}}',
        lambda value: _is_mapping(value, _is_component, _is_scheme),
    ),
    "schemas": (
        "a mapping of types to JSON Schemas",
        '{Money: {"type": "string"}}',
        lambda value: _is_mapping(value, lambda _: True, _is_json),
    ),
    "names": (
        "a mapping of types to names of letters, digits, `.`, `-` and `_`",
        '{billing.Note: "BillingNote"}',
        lambda value: _is_mapping(value, lambda _: True, _is_component),
    ),
    "extensions": (
        "a mapping of JSON values whose names begin with `x-`",
        '{"x-team": "billing"}',
        lambda value: _is_mapping(value, _is_extension, lambda _: True) and _is_json(value),
    ),
    "servers": (
        "a list of URLs or Server Objects",
        '["https://api.example.com"]',
        lambda value: _is_list(value) and all(map(_is_server, value)),
    ),
    "security": (
        "a list of Security Requirement Objects",
        '[{"bearer": []}]',
        lambda value: _is_list(value) and all(map(_is_requirement, value)),
    ),
}
"""The expected kind of each option, an example, and the check."""
