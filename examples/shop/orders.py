"""Orders: one transaction in the database, then the cart, then the mail."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import anyio
from accounts import User
from carts import Counts, ShopSession, takes_out
from database import OrderLineRow, OrderRow, ProductRow
from msgspec import Meta, Struct
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kick import (
    Conflict,
    Controller,
    Get,
    Module,
    Post,
    Raises,
    RequestContext,
    Response,
    Scopes,
    ServerSentEvent,
    Service,
)
from kick.auth import Roles

LOOK_EVERY = 2.0
"""Seconds after which an event stream looks for orders of other processes."""


PAGE_SIZE = 20
LAST_ID = 2**31 - 1
"""The greatest id that every database has."""


class Page(Struct):
    before: Annotated[int, Meta(ge=1, le=LAST_ID, description="Orders with smaller ids.")] = LAST_ID


class NewOrder(Struct):
    key: Annotated[UUID, Meta(description="Chosen by the client. The same key again is the same order.")]


class OrderLine(Struct):
    product_id: int
    count: int
    price: Annotated[int, Meta(description="In cents, of one.")]


class Order(Struct):
    id: int
    placed_at: datetime
    lines: list[OrderLine]
    total: Annotated[int, Meta(description="In cents.")]


@Service()
class Orders:
    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def place(self, user: User, key: UUID, cart: Counts) -> tuple[Order, bool]:
        """Place and commit an order, or return the one that the user has placed with this key; true for a new one.

        Raises `Conflict` if the cart is empty, or a product is out of stock.
        """
        placed = await self.with_key(user, key)
        if placed is not None:
            return placed, False
        if not cart:
            raise Conflict("The cart is empty.")
        try:
            order = await self.add(user, key, cart)
            await self.db.commit()
        except IntegrityError:  # a second click at the same moment was quicker
            await self.db.rollback()
            placed = await self.with_key(user, key)
            if placed is None:
                raise
            return placed, False
        return order_of(order), True

    async def add(self, user: User, key: UUID, cart: Counts) -> OrderRow:
        order = OrderRow(user_id=user.id, key=key, lines=[])
        self.db.add(order)
        await self.db.flush()
        for product_id, count in sorted(cart.items()):
            sold = await self.db.execute(
                update(ProductRow)
                .where(ProductRow.id == product_id, ProductRow.stock >= count)
                .values(stock=ProductRow.stock - count)
                .returning(ProductRow.price)
            )
            price = sold.scalar_one_or_none()
            if price is None:
                raise Conflict(f"Product {product_id} is out of stock.", product_id=product_id)
            order.lines.append(OrderLineRow(product_id=product_id, count=count, price=price))
        return order

    async def with_key(self, user: User, key: UUID) -> Order | None:
        row = await self.db.scalar(select(OrderRow).where(OrderRow.user_id == user.id, OrderRow.key == key))
        return order_of(row) if row else None

    async def of(self, user: User, page: Page) -> list[Order]:
        older = select(OrderRow).where(OrderRow.user_id == user.id, OrderRow.id < page.before)
        rows = await self.db.scalars(older.order_by(OrderRow.id.desc()).limit(PAGE_SIZE))
        return [order_of(row) for row in rows]

    async def after(self, order_id: int) -> list[Order]:
        rows = await self.db.scalars(select(OrderRow).where(OrderRow.id > order_id).order_by(OrderRow.id).limit(100))
        return [order_of(row) for row in rows]

    async def last_id(self) -> int:
        return await self.db.scalar(select(func.max(OrderRow.id))) or 0


def order_of(row: OrderRow) -> Order:
    lines = [OrderLine(each.product_id, each.count, each.price) for each in row.lines]
    return Order(row.id, row.placed_at.replace(tzinfo=UTC), lines, sum(each.count * each.price for each in lines))


def is_id(text: str) -> bool:
    """Return true if a text is an id that a database can look for: `Last-Event-ID` may have any number."""
    return len(text) <= 9 and text.isdecimal()


@Service(scope="singleton")
class Mailer:
    """A mailer that only remembers. A real one talks to a mail server."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, name: str, text: str) -> None:
        self.sent.append(f"Dear {name}, {text}")


async def confirm(name: str, order_id: int, mailer: Mailer) -> None:
    """Send the mail about an order. It runs after the response, in a scope of its own."""
    await mailer.send(name, f"your order {order_id} is on its way.")


@Service(scope="singleton")
class Doorbell:
    """Wakes the event streams of this process when an order comes."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = anyio.Event()

    async def wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._rung.wait()


@Controller("/orders")
class OrderController:
    def __init__(self, orders: Orders, doorbell: Doorbell, user: User) -> None:
        self.orders = orders
        self.doorbell = doorbell
        self.user = user

    @Get("/")
    async def index(self, query: Page) -> list[Order]:
        """List the orders of the user, one page of them, the newest first."""
        return await self.orders.of(self.user, query)

    @Raises(Conflict)
    @Post("/", status=201)
    async def place(self, ctx: RequestContext[ShopSession], body: NewOrder) -> Order:
        """Order what is in the cart."""
        cart = ctx.session.data.cart
        order, is_new = await self.orders.place(self.user, body.key, cart)
        if is_new:  # a client that repeats the request may have put other things into the cart since
            # After the commit. What another tab has added meanwhile stays in the cart.
            await ctx.session.modify("cart", takes_out({line.product_id: line.count for line in order.lines}))
            ctx.background(confirm, self.user.name, order.id)
            self.doorbell.ring()
        return order


@Roles("admin")
@Controller("/orders/events")
class OrderEventController:
    def __init__(self, scopes: Scopes, doorbell: Doorbell) -> None:
        self.scopes = scopes
        self.doorbell = doorbell

    @Get("/", response=AsyncIterator[Order])
    async def events(self, ctx: RequestContext) -> Response:
        """Stream orders as they come. A browser that reconnects gets those that it has missed."""
        known = ctx.last_event_id or ""
        since = int(known) if is_id(known) else await self.last_id()

        async def events() -> AsyncIterator[ServerSentEvent]:
            last = since
            while not ctx.stopping.is_set:
                for order in await self.after(last):
                    last = order.id
                    yield ServerSentEvent(data=order, event="order", id=str(last))
                await self.doorbell.wait(LOOK_EVERY)

        return ctx.sse(events(), retry=3000)

    async def last_id(self) -> int:
        async with self.scopes.open() as scope:
            return await (await scope.get(Orders)).last_id()

    async def after(self, order_id: int) -> list[Order]:
        async with self.scopes.open() as scope:  # a transaction for each look: the stream holds no connection
            return await (await scope.get(Orders)).after(order_id)


OrderModule = Module("orders", controllers=[OrderController, OrderEventController])
