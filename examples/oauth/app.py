"""Login at an OpenID Connect provider: `kick dev`, and a browser at http://127.0.0.1:8000."""

import os
from datetime import timedelta

import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth

from kick import Controller, Get, Module, Post, RequestContext, Response, Service, Unauthorized, Use, bootstrap
from kick.auth import Authenticated, authentication, login, logout, next_page
from kick.middleware import rate_limit
from kick.session import csrf, session

ISSUER = os.environ.get("OIDC_ISSUER", "http://127.0.0.1:9000")

oauth = OAuth()
oauth.register(
    "provider",
    client_id=os.environ.get("OIDC_CLIENT_ID", "client"),
    client_secret=os.environ.get("OIDC_CLIENT_SECRET", "a secret of the client"),
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
)


class User(msgspec.Struct):
    id: str
    name: str
    email: str | None = None


@Service(scope="singleton")
class Users:
    """The users, in the memory of this process. See `examples/shop` for a database."""

    def __init__(self) -> None:
        self.by_id: dict[str, User] = {}

    def save(self, user: User) -> None:
        self.by_id[user.id] = user


async def load_user(user_id: str, users: Users) -> User | None:
    return users.by_id.get(user_id)


@Controller("/login")
class LoginController:
    def __init__(self, users: Users) -> None:
        self.users = users

    @Get("/")
    @Use(rate_limit("20/minute"), rate_limit("100/minute", key="site"))  # each of them stores a session
    async def start(self, ctx: RequestContext) -> Response:
        """Send the browser to the provider. Authlib writes the state and the PKCE verifier into the session."""
        ctx.session["next"] = next_page(ctx, "/account")
        answer: Response = await oauth.provider.authorize_redirect(ctx.request, f"{ctx.request.base_url}login/callback")
        return answer

    @Get("/callback")
    async def finish(self, ctx: RequestContext) -> Response:
        """Take the browser back. Authlib checks the state, the code, the signature and the nonce."""
        try:
            token = await oauth.provider.authorize_access_token(ctx.request)
        except AuthlibBaseError as error:
            raise Unauthorized("The login at the provider did not succeed.") from error
        person = token.get("userinfo")
        if person is None:  # the code was none of the provider, which has given no token for it
            raise Unauthorized("The login at the provider did not succeed.")
        # The address may change its owner. `sub` stays, and is unique at this provider.
        user = User(f"{ISSUER}#{person['sub']}", person["name"], person.get("email"))
        self.users.save(user)
        wanted = ctx.session.pop("next", "/account")
        await login(ctx, user.id)
        return ctx.redirect(wanted)


@Controller()
class AccountController:
    @Get("/")
    async def home(self, ctx: RequestContext) -> Response:
        return ctx.html('<a href="/account">My account</a>')

    @Authenticated(login_page="/login")
    @Get("/account")
    async def show(self, user: User) -> User:
        return user

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> None:
        """Log out here. The user is still logged in at the provider."""
        await logout(ctx)


app = bootstrap(
    [Module("account", controllers=[LoginController, AccountController])],
    middleware=[
        session(
            os.environ["SESSION_SECRET"].split(","),
            store=os.environ.get("SESSION_STORE", "sqlite:///sessions.db"),
            save_uninitialized=False,
            max_per_principal=20,
            anonymous_max_age=timedelta(minutes=15),  # for the way to the provider and back
            cookie={"prefix": "auto"},  # and `same_site="lax"`: the callback comes from another site
        ),
        csrf(),
        authentication(load_user),
    ],
)
