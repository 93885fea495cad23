"""The cart: typed session data that two tabs may change at once."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct
from products import Product, ProductId, Products

from kick import Conflict, Controller, Delete, Get, Module, NotFound, Post, Raises, RequestContext, Use
from kick.middleware import rate_limit

Counts = dict[int, int]
"""How many of each product, by its id."""

MOST = 50
"""The most products of a kind, and the most kinds, in a cart."""


class ShopSession(Struct):
    """The data of a session."""

    cart: Counts = {}


class Adding(Struct):
    count: Annotated[int, Meta(ge=1, le=MOST)] = 1


class Line(Struct):
    product: Product
    count: int


class Cart(Struct):
    lines: list[Line]
    total: Annotated[int, Meta(description="In cents.")]


@Controller("/cart")
class CartController:
    """The cart of this browser. It needs no login, and is kept through one."""

    def __init__(self, products: Products) -> None:
        self.products = products

    @Get("/")
    async def show(self, ctx: RequestContext[ShopSession]) -> Cart:
        """Show the cart."""
        return await self.cart(ctx.session.data.cart)

    @Raises(NotFound, Conflict)
    @Post("/{product_id}")
    @Use(rate_limit("100/minute"), rate_limit("500/minute", key="site"))  # each visitor without a cookie is stored
    async def add(self, ctx: RequestContext[ShopSession], product_id: ProductId, body: Adding) -> Cart:
        """Put products into the cart."""
        await self.products.get(product_id)
        return await self.cart(await ctx.session.modify("cart", adds(product_id, body.count)))

    @Raises(Conflict)
    @Delete("/{product_id}")
    async def remove(self, ctx: RequestContext[ShopSession], product_id: ProductId) -> Cart:
        """Take a product out of the cart."""
        return await self.cart(await ctx.session.modify("cart", takes_out({product_id: MOST})))

    async def cart(self, counts: Counts) -> Cart:
        lines = [Line(product, counts[product.id]) for product in await self.products.of(counts)]
        return Cart(lines, sum(line.product.price * line.count for line in lines))


# Functions for `modify()`. They return a new value and do nothing else, because they may be called again.


def adds(product_id: int, count: int) -> Callable[[Counts], Counts]:
    def added(cart: Counts) -> Counts:
        total = cart.get(product_id, 0) + count
        if total > MOST or len(cart | {product_id: total}) > MOST:
            raise Conflict(f"A cart holds at most {MOST} of a product, and {MOST} products.")
        return {**cart, product_id: total}

    return added


def takes_out(counts: Counts) -> Callable[[Counts], Counts]:
    def taken(cart: Counts) -> Counts:
        left = {each: count - counts.get(each, 0) for each, count in cart.items()}
        return {each: count for each, count in left.items() if count > 0}

    return taken


CartModule = Module("cart", controllers=[CartController])
