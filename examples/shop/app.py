"""Assembly of the shop."""

from datetime import timedelta

from accounts import AccountModule, load_user
from admin import AdminModule
from carts import CartModule, ShopSession
from database import DatabaseModule
from orders import OrderModule
from products import ProductModule
from settings import Settings

from kick import App, Health, bootstrap
from kick.auth import LoginLimit, Passwords, authentication
from kick.openapi import OpenAPI
from kick.session import csrf, session


def create_app(settings: Settings) -> App:
    """Return the shop with these settings. Each test creates its own."""
    settings.pictures.mkdir(parents=True, exist_ok=True)
    return bootstrap(
        modules=[ProductModule, AccountModule, CartModule, OrderModule, AdminModule, DatabaseModule, Health()],
        middleware=[
            session(
                settings.session_secrets,
                store=settings.session_store,
                data=ShopSession,
                save_uninitialized=False,
                max_per_principal=20,
                anonymous_max_age=timedelta(days=3),  # a cart is kept for three days
                cookie={"prefix": "auto"},
            ),
            csrf(),
            authentication(load_user),
        ],
        providers=[Passwords(), LoginLimit("10/hour", secret=settings.session_secrets)],
        settings=settings,
        openapi=OpenAPI(title="The shop", version="1.0", description="Products, carts and orders."),
    )
