"""The tables, the pool of connections, and a database session for each request."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from settings import Settings
from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from kick import Module, Provider, Service, UnprocessableEntity


class Table(DeclarativeBase):
    """The base class of all tables."""


class UserRow(Table):
    __tablename__ = "users"
    __table_args__ = ({"sqlite_autoincrement": True},)  # no id is given again: a session may outlive its user
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]  # a hash
    is_admin: Mapped[bool] = mapped_column(default=False)


class ProductRow(Table):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    price: Mapped[int]  # in cents
    stock: Mapped[int] = mapped_column(CheckConstraint("stock >= 0"))
    picture: Mapped[str | None]


class OrderRow(Table):
    __tablename__ = "orders"
    __table_args__ = (UniqueConstraint("user_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    key: Mapped[UUID]
    placed_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC).replace(tzinfo=None))
    lines: Mapped[list["OrderLineRow"]] = relationship(lazy="selectin")


class OrderLineRow(Table):
    __tablename__ = "order_lines"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    count: Mapped[int]
    price: Mapped[int]  # at the time of the order


@Service(scope="singleton")
async def open_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Open the pool, and close it when the application ends."""
    engine = create_async_engine(settings.database, hide_parameters=True)  # in errors, which are logged
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", check_foreign_keys)
        create_private(engine.url.database)
    async with engine.begin() as connection:
        await connection.run_sync(Table.metadata.create_all)  # projects of `kick new` have migrations
    yield engine
    await engine.dispose()


@Service(scope="handler")
async def open_session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """Open a session. It is committed when the handler has returned, and not if it has raised."""
    async with AsyncSession(engine, expire_on_commit=False) as db:
        try:
            yield db
            await db.commit()
        except StatementError as error:
            if cannot_store(error):
                raise UnprocessableEntity("The database cannot store a value.") from error
            raise


def cannot_store(error: StatementError) -> bool:
    """Return true if a value is the reason of an error: in PostgreSQL, a NUL in a text is one."""
    cause = error.orig
    # Drivers differ: psycopg raises DataError, others ValueError, or only tell the class of errors.
    is_of_driver = isinstance(cause, OverflowError) or isinstance(getattr(cause, "__cause__", None), ValueError)
    is_of_class = str(getattr(cause, "sqlstate", None)).startswith("22")
    return isinstance(error, DataError) or is_of_driver or is_of_class


def create_private(file: str | None) -> None:
    """Create the file of SQLite, unless it exists. Other users of this machine cannot read it."""
    if file:
        Path(file).touch(mode=0o600)


async def ping(engine: AsyncEngine) -> None:
    """Check the database, for /health/ready."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


def check_foreign_keys(connection: DBAPIConnection, _: object) -> None:
    """Tell SQLite to check foreign keys, which it does not do by itself."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


DatabaseModule = Module("database", providers=[Provider(AsyncEngine, open_engine, health=ping), open_session])
