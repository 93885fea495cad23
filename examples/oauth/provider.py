"""A small OpenID provider for this machine: `kick dev provider:app --port 9000`.

Ada is logged in there already, and agrees to everything. Nobody should log in with it in production.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from time import time
from typing import Any
from urllib.parse import urlencode

import msgspec
from joserfc import jwt
from joserfc.jwk import RSAKey

from kick import (
    App,
    BadRequest,
    Controller,
    Get,
    Module,
    Post,
    RequestContext,
    Response,
    Service,
    Unauthorized,
    bootstrap,
)

CLIENT_ID = "client"
CLIENT_SECRET = "a secret of the client"  # noqa: S105  # of this machine only


class Grant(msgspec.Struct, kw_only=True):
    """What a code stands for."""

    redirect_uri: str
    nonce: str | None
    challenge: str | None


@Service()
class Grants:
    """The codes that were given out, each good for one token; and the key that signs these."""

    def __init__(self) -> None:
        self.by_code: dict[str, Grant] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.person: dict[str, Any] = {"sub": "1815", "name": "Ada", "email": "ada@example.com"}


class Authorization(msgspec.Struct, kw_only=True):
    """The request for a code (RFC 6749, section 4.1.1)."""

    client_id: str
    redirect_uri: str
    response_type: str
    state: str
    nonce: str | None = None
    code_challenge: str | None = None


class TokenRequest(msgspec.Struct, kw_only=True):
    """The request for a token (RFC 6749, section 4.1.3)."""

    grant_type: str
    code: str
    redirect_uri: str
    code_verifier: str | None = None


@Controller("/")
class Provider:
    """The endpoints of OpenID Connect that a login needs."""

    def __init__(self, grants: Grants) -> None:
        self.grants = grants

    @Get("/.well-known/openid-configuration")
    async def configuration(self, ctx: RequestContext) -> dict[str, Any]:
        base = str(ctx.request.base_url).rstrip("/")
        return {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    @Get("/keys")
    async def keys(self) -> dict[str, Any]:
        return {"keys": [self.grants.key.as_dict(private=False)]}

    @Get("/authorize")
    async def authorize(self, ctx: RequestContext, query: Authorization) -> Response:
        if (query.client_id, query.response_type) != (CLIENT_ID, "code"):
            raise BadRequest("unknown client or response type")
        code = secrets.token_urlsafe()
        self.grants.by_code[code] = Grant(
            redirect_uri=query.redirect_uri, nonce=query.nonce, challenge=query.code_challenge
        )
        return ctx.redirect(
            f"{query.redirect_uri}?{urlencode({'code': code, 'state': query.state})}", 302, external=True
        )

    @Post("/token")
    async def token(self, ctx: RequestContext, body: TokenRequest) -> dict[str, Any]:
        credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        grant = self.grants.by_code.pop(body.code, None)
        if ctx.headers.get("authorization") != f"Basic {credentials}" or grant is None:
            raise Unauthorized("unknown client or code")
        if grant.redirect_uri != body.redirect_uri or not _proves(body.code_verifier, grant.challenge):
            raise BadRequest("the code was given out for somebody else")
        now = int(time())
        claims = {
            **self.grants.person,
            "iss": str(ctx.request.base_url).rstrip("/"),
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
        }
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.grants.key)
        return {"access_token": secrets.token_urlsafe(), "token_type": "Bearer", "expires_in": 300, "id_token": token}


def _proves(verifier: str | None, challenge: str | None) -> bool:
    """Return whether the verifier belongs to the challenge (RFC 7636, section 4.6)."""
    if challenge is None:
        return True
    digest = hashlib.sha256((verifier or "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge


def create_app() -> App:
    """Return a provider with a key and codes of its own."""
    return bootstrap([Module("provider", controllers=[Provider], providers=[Grants])])


app = create_app()
