"""The routes of the document and of its page, as a module that `bootstrap()` adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from kick.http.context.context import RequestContext
from kick.http.middleware import Middleware
from kick.http.response.base import JSON, ReadyResponse, Response, add_vary
from kick.http.response.etags import client_has_it, not_modified
from kick.http.routing.decorators import Controller, Get, SessionUse, controller_info, handlers_of
from kick.http.validation.encoding import encode_json
from kick.middleware.compression.encodings import Gzip, preferred
from kick.module import Module
from kick.openapi.documents import Documents
from kick.openapi.page.controller import PageDocument, page_controller

_LEVEL: Final = 9
_GZIP: Final = b"gzip"


class Encoded(NamedTuple):
    """A document as bytes."""

    body: bytes
    gzipped: bytes
    etag: str


def openapi_module(documents: Documents, modules: Sequence[Module], middleware: Iterable[Any]) -> Module | None:
    """Return the module with the routes of the document: `/openapi.json`, and of each of several versions.

    They need no session, unless middleware of the application wants a login on every route. Where nobody has asked for
    the document, there is none (`None`) if the application has a route at its path, or no routes at all; and no page if
    it has a route there.
    """
    page = documents.options.page
    if not documents.is_asked_for:
        paths = {*_paths(modules)}
        if not paths or documents.options.path in paths:
            return None
        page = None if page in paths else page
    guarded = any(isinstance(layer, Middleware) and layer.describe(None).security for layer in middleware)
    session: SessionUse = "passive" if guarded else False
    versions = sorted({version for module in modules for version in _versions(module)})
    controllers = [document_controller(documents, versions if len(versions) > 1 else [])]
    if page is not None:
        controllers.append(page_controller(page, partial(page_documents, documents)))
    return Module("openapi", controllers=controllers, session=session)


def page_documents(documents: Documents) -> list[PageDocument]:
    """Return the documents that the page shows, the newest first."""
    path = documents.options.path
    versions = documents.versions
    several = [(each, f"/{each}{path}") for each in reversed(versions)]
    found = several if len(versions) > 1 else [(versions[0] if versions else None, path)]
    return [
        PageDocument(
            name=version or "",
            path=address,
            load=partial(documents.of, version),
            sockets=partial(documents.sockets, version),
        )
        for version, address in found
    ]


def document_controller(documents: Documents, versions: Sequence[str]) -> type:
    """Return the controller of the document."""
    path = documents.options.path

    def respond(ctx: RequestContext[Any], version: str | None) -> Response:
        root_path: str = ctx.scope.get("root_path", "").rstrip("/")
        encoded: Encoded = documents.kept("json", version, root_path, encode_document)
        accepted = b",".join(value for name, value in ctx.scope["headers"] if name == b"accept-encoding")
        coding = preferred(accepted, (_GZIP,))
        response = ReadyResponse(encoded.body if coding is None else encoded.gzipped, 200, JSON)
        response.raw_headers += [(b"etag", encoded.etag.encode("ascii")), (b"cache-control", b"no-cache")]
        if coding is not None:
            response.raw_headers.append((b"content-encoding", coding))
        add_vary(response, b"Accept-Encoding")
        has_it = client_has_it(ctx.method, ctx.headers, etag=encoded.etag, modified=None)
        return not_modified(response) if has_it else response

    @Controller(openapi=False)
    class OpenAPIController:
        @Get(path)
        async def document(self, ctx: RequestContext[Any]) -> Response:
            return respond(ctx, None)

    for version in versions:
        _add_version(OpenAPIController, path, version, respond)
    return OpenAPIController


def encode_document(document: dict[str, Any]) -> Encoded:
    """Return a document as JSON, and compressed.

    >>> encode_document({"openapi": "3.1.1"}).body
    b'{"openapi":"3.1.1"}'
    """
    body = encode_json(document)
    etag = f'W/"{blake2b(body, digest_size=16).hexdigest()}"'
    return Encoded(body, Gzip.whole(body, _LEVEL), etag)


def _add_version(controller: type, path: str, version: str, respond: Any) -> None:
    async def document(self: Any, ctx: RequestContext[Any]) -> Response:
        return respond(ctx, version)  # type: ignore[no-any-return]

    name = f"document_{version}"
    document.__name__ = name
    setattr(controller, name, Get(f"/{version}{path}", name=f"OpenAPIController.{name}")(document))


def _versions(module: Module) -> Iterable[str]:
    for controller in module.controllers:
        info = controller_info(controller)
        version = module.version if info is None or info.version is None else info.version
        if version is not None:
            yield version


def _paths(modules: Sequence[Module]) -> Iterable[str]:
    """Return the paths of all routes, without the prefix of the application."""
    for module in modules:
        for controller in module.controllers:
            info = controller_info(controller)
            if info is not None:
                for _, route in handlers_of(controller):
                    parts = (info.version or module.version or "", module.prefix, info.prefix, route.path)
                    yield "/" + "/".join(part.strip("/") for part in parts if part.strip("/"))
