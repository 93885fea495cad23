"""A small shop on SQLAlchemy, written as its users write one: nothing here is special to tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from sqlalchemy import CheckConstraint, ForeignKey, event, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kick import (
    App,
    Conflict,
    Controller,
    File,
    Get,
    Header,
    Health,
    Module,
    NotFound,
    Post,
    Provider,
    Raises,
    RequestContext,
    Response,
    Scopes,
    ServerSentEvent,
    Service,
    Socket,
    Unauthorized,
    UploadFile,
    WebSocket,
    bootstrap,
)
from kick.auth import Authenticated, authentication, login
from kick.session import session

# The tables


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (CheckConstraint("stock >= 0"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    stock: Mapped[int]
    picture: Mapped[bytes | None]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", deferrable=True, initially="DEFERRED"))
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", deferrable=True, initially="DEFERRED"))


class Mail(Base):
    """A mail that was sent."""

    __tablename__ = "mails"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    subject: Mapped[str]


# The database


@dataclass
class Settings:
    database: Path
    pool: int = 5


@Service(scope="singleton")
async def open_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    url = f"sqlite+aiosqlite:///{settings.database}"
    engine = create_async_engine(url, pool_size=settings.pool, max_overflow=0, connect_args={"timeout": 60})
    event.listen(engine.sync_engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


async def ping(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


@Service(scope="handler")
async def open_session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as db, db.begin():
        yield db


# What the controllers stand on


class Repository:
    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def count(self, table: type[Base]) -> int:
        return (await self.db.scalars(select(func.count()).select_from(table))).one()


@Service()
class Products(Repository):
    async def get(self, product_id: int) -> Product:
        product = await self.db.get(Product, product_id)
        if product is None:
            raise NotFound("There is no such product.")
        return product

    async def page(self, offset: int, limit: int) -> list[Product]:
        return [*await self.db.scalars(select(Product).order_by(Product.id).offset(offset).limit(limit))]

    async def add(self, name: str, stock: int) -> Product:
        product = Product(name=name, stock=stock)
        self.db.add(product)
        try:
            await self.db.flush()
        except IntegrityError as error:
            raise Conflict(f"There is a product {name!r} already.") from error
        return product


@Service()
class Orders(Repository):
    async def place(self, user: User, product: Product) -> Order:
        await self.db.execute(update(Product).where(Product.id == product.id).values(stock=Product.stock - 1))
        order = Order(user_id=user.id, product_id=product.id)
        self.db.add(order)
        await self.db.flush()
        return order

    async def of(self, user: User) -> list[Order]:
        return [*await self.db.scalars(select(Order).where(Order.user_id == user.id).order_by(Order.id))]


@Service()
class Mailer(Repository):
    async def send(self, address: str, subject: str) -> None:
        self.db.add(Mail(address=address, subject=subject))
        await self.db.flush()


class Page(msgspec.Struct):
    page: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2


@dataclass
class Pager:
    query: Page

    @property
    def offset(self) -> int:
        return (self.query.page - 1) * self.query.size


async def current_product(product_id: int, products: Products) -> Product:
    return await products.get(product_id)


async def load_user(user_id: int, db: AsyncSession) -> User | None:
    return await db.get(User, user_id)


class Partner(str):
    """A partner whose requests are signed."""


@Raises(Unauthorized)
def signed(body: bytes, signature: Header[str]) -> Partner:
    if signature != f"signed-{len(body)}":
        raise Unauthorized("The signature is wrong.")
    return Partner("partner")


async def confirm(order_id: int, address: str, mailer: Mailer) -> None:
    await mailer.send(address, f"Your order {order_id}")


# The controllers


class ProductIn(msgspec.Struct):
    name: str
    stock: int


class ProductOut(msgspec.Struct):
    id: int
    name: str
    stock: int


def shown(product: Product) -> ProductOut:
    return ProductOut(product.id, product.name, product.stock)


@Controller("/products")
class ProductController:
    def __init__(self, products: Products) -> None:
        self.products = products

    @Get("/")
    async def index(self, pager: Pager) -> list[ProductOut]:
        return [shown(each) for each in await self.products.page(pager.offset, pager.query.size)]

    @Raises(Conflict)
    @Post("/", status=201)
    async def add(self, body: ProductIn) -> ProductOut:
        return shown(await self.products.add(body.name, body.stock))

    @Raises(Conflict)
    @Post("/import")
    async def bring(self, partner: Partner, body: list[ProductIn]) -> int:
        for each in body:
            await self.products.add(each.name, each.stock)
        return len(body)

    @Get("/{product_id}")
    async def show(self, product: Product) -> ProductOut:
        return shown(product)

    @Post("/{product_id}/picture")
    async def upload(
        self, product: Product, picture: Annotated[UploadFile, File(types=["image/png"], max_size=1 << 20)]
    ) -> int:
        product.picture = content = await picture.read()
        return len(content)

    @Get("/{product_id}/picture")
    async def picture(self, ctx: RequestContext, product: Product) -> Response:
        return ctx.download(product.picture or b"", "picture.png")


@Controller("/accounts")
class AccountController:
    @Raises(Conflict)
    @Post("/{name}")
    async def register(self, ctx: RequestContext, name: str, db: AsyncSession) -> int:
        user = User(name=name)
        db.add(user)
        await db.flush()
        await login(ctx, user.id)
        return user.id

    @Get("/me")
    async def me(self, user: User) -> str:
        return user.name


@Authenticated()
@Controller("/orders")
class OrderController:
    def __init__(self, orders: Orders, user: User) -> None:
        self.orders = orders
        self.user = user

    @Raises(Conflict)
    @Post("/{product_id}", status=201)
    async def place(self, ctx: RequestContext, product: Product) -> int:
        order = await self.orders.place(self.user, product)
        ctx.session["last_order"] = order.id
        ctx.background(confirm, order.id, self.user.name)
        return order.id

    @Raises(Conflict)
    @Post("/unknown/{product_id}")
    async def place_unknown(self, ctx: RequestContext, product_id: int) -> int:
        """Place an order whose foreign key is found to lead nowhere only at the commit."""
        ctx.session["last_order"] = -1
        ctx.background(confirm, -1, self.user.name)
        return (await self.orders.place(self.user, Product(id=product_id))).id

    @Get("/last")
    async def last(self, ctx: RequestContext) -> int | None:
        return ctx.session.get("last_order")  # type: ignore[no-any-return]

    @Get("/export.csv")
    async def export(self, ctx: RequestContext, scopes: Scopes) -> Response:
        user = self.user

        async def rows() -> AsyncIterator[str]:
            yield "order,product\n"
            async with scopes.open() as scope:
                orders = await scope.get(Orders)
                for order in await orders.of(user):
                    yield f"{order.id},{order.product_id}\n"

        return ctx.stream(rows(), media_type="text/csv")

    @Get("/events")
    async def events(self, ctx: RequestContext, scopes: Scopes) -> Response:
        async def events() -> AsyncIterator[ServerSentEvent]:
            known = 0
            while known < 2:
                async with scopes.open() as scope:
                    orders = await scope.get(Orders)
                    placed = await orders.of(self.user)
                for order in placed[known:]:
                    yield ServerSentEvent(data=order.id)
                known = len(placed)

        return ctx.sse(events())

    @WebSocket("/socket")
    async def socket(self, socket: Socket[int, int], scopes: Scopes) -> None:
        async for product_id in socket:
            async with scopes.open() as scope:
                product = await (await scope.get(Products)).get(product_id)
                order = await (await scope.get(Orders)).place(self.user, product)
            await socket.send(order.id)


@Controller("/counts")
class CountController:
    @Get("/")
    async def counts(self, products: Products) -> dict[str, int]:
        return {table.__tablename__: await products.count(table) for table in (User, Product, Order, Mail)}


async def constraint_failed(ctx: RequestContext, error: IntegrityError) -> Response:
    return ctx.problem(409, str(error.orig))


def create_app(settings: Settings) -> App:
    controllers = [ProductController, AccountController, OrderController, CountController]
    return bootstrap(
        [
            Module("shop", controllers=controllers, providers=[Pager, current_product, signed]),
            Health(),
        ],
        [session("a secret of at least thirty-two bytes", save_uninitialized=False), authentication(load_user)],
        providers=[Provider(AsyncEngine, open_engine, health=ping), open_session],
        settings=settings,
        exception_handlers={IntegrityError: constraint_failed},
    )
