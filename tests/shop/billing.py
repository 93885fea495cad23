"""The billing of the shop: money with an encoder, request data in providers, an outbox, errors of the shop's own."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import ForeignKey, Row, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kick import (
    App,
    Controller,
    Cookie,
    Get,
    Header,
    Module,
    NotFound,
    Post,
    Provider,
    RequestContext,
    Response,
    ServerSentEvent,
    Service,
    ServiceUnavailable,
    bootstrap,
)
from tests.shop.app import Base, Settings, open_engine, open_session


class Invoice(Base):
    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    due: Mapped[datetime.date]
    key: Mapped[str | None] = mapped_column(unique=True)
    margin: Mapped[int] = mapped_column(default=7)
    """Nothing that a customer may see."""
    lines: Mapped[list[InvoiceLine]] = relationship(lazy="selectin")


class InvoiceLine(Base):
    __tablename__ = "invoice_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"))
    article: Mapped[str]
    cents: Mapped[int]

    @property
    def price(self) -> Money:
        return Money(self.cents)


class Money:
    """An amount; JSON shows it by an encoder."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


class Euros(Money): ...


# Errors of the shop


class ShopError(Exception):
    """What customers are told."""

    status = 409


class TooExpensive(ShopError):
    """More than the customer may spend."""

    status = 402


async def shop_error(ctx: RequestContext, error: ShopError) -> Response:
    return ctx.problem(error.status, str(error), kind=type(error).__name__)


# Providers


@dataclass
class Language:
    code: str


def language(accept_language: Header[list[str]] = [], language: Cookie[Literal["en", "de"] | None] = None) -> Language:  # noqa: B006
    return Language(language or (accept_language[0][:2] if accept_language else "en"))


@dataclass
class Outbox:
    """Messages that leave when the transaction is committed."""

    waiting: list[str] = field(default_factory=list)


@dataclass
class Broker:
    sent: list[str] = field(default_factory=list)
    is_down: bool = False


async def open_outbox(broker: Broker) -> AsyncIterator[Outbox]:
    outbox = Outbox()
    yield outbox
    if outbox.waiting and broker.is_down:
        raise ServiceUnavailable("The broker is down; try again.")
    broker.sent += outbox.waiting


@Service()
class Invoices:
    def __init__(self, db: AsyncSession, outbox: Outbox) -> None:
        self.db = db
        self.outbox = outbox

    async def add(self, invoice: Invoice) -> Invoice:
        self.db.add(invoice)
        await self.db.flush()
        self.outbox.waiting.append(f"invoice {invoice.id}")
        return invoice

    async def due_on(self, day: datetime.date) -> list[Invoice]:
        return [*await self.db.scalars(select(Invoice).where(Invoice.due == day).order_by(Invoice.id))]

    async def with_key(self, key: str) -> Invoice | None:
        return (await self.db.scalars(select(Invoice).where(Invoice.key == key))).one_or_none()


async def current_invoice(invoice_id: int, db: AsyncSession) -> Invoice:
    invoice = await db.get(Invoice, invoice_id)
    if invoice is None:
        raise NotFound("There is no such invoice.")
    return invoice


@dataclass
class Earlier:
    """The invoice that an earlier request with the same key made."""

    key: str | None
    invoice: Invoice | None


async def earlier(
    invoices: Invoices, idempotency_key: Header[Annotated[str, msgspec.Meta(max_length=40)] | None] = None
) -> Earlier:
    return Earlier(idempotency_key, await invoices.with_key(idempotency_key) if idempotency_key else None)


# Bodies and responses


class LineIn(msgspec.Struct, forbid_unknown_fields=True):
    article: str
    cents: Annotated[int, msgspec.Meta(ge=0)]


class InvoiceIn(msgspec.Struct):
    customer: str
    due: datetime.date
    lines: list[LineIn]


class LineOut(msgspec.Struct):
    article: str
    price: Money


class InvoiceOut(msgspec.Struct, rename="camel"):
    id: int
    customer: str
    due: datetime.date
    lines: list[LineOut]


class Summary(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)
    customer: str
    due: datetime.date
    line_count: int = Field(default=0, ge=0)


class Due(msgspec.Struct):
    customer: str
    due: datetime.date


class Paid(msgspec.Struct, tag=True):
    invoice: int
    amount: Money


class Reminded(msgspec.Struct, tag=True):
    invoice: int


# Background work


async def remember(text: str, broker: Broker, outbox: Outbox, language: str = "en") -> None:
    outbox.waiting.append(f"{language}: {text}")


async def fail(outbox: Outbox) -> None:
    outbox.waiting.append("never")
    raise OSError("no printer")


@Controller("/invoices")
class InvoiceController:
    def __init__(self, invoices: Invoices, language: Language) -> None:
        self.invoices = invoices
        self.language = language

    @Post("/", status=201, response=InvoiceOut)
    async def add(self, ctx: RequestContext, body: InvoiceIn, earlier: Earlier) -> Invoice:
        if earlier.invoice is not None:
            return earlier.invoice
        if sum(each.cents for each in body.lines) > 100_000:
            raise TooExpensive("This is more than 1000 euros.")
        lines = [InvoiceLine(article=each.article, cents=each.cents) for each in body.lines]
        invoice = Invoice(customer=body.customer, due=body.due, lines=lines, key=earlier.key)
        await self.invoices.add(invoice)
        ctx.background(fail)
        ctx.background(remember, f"invoice {invoice.id}", language=self.language.code)
        return invoice

    @Get("/due/{day}", response=list[InvoiceOut])
    async def due(self, day: datetime.date) -> list[Invoice]:
        return await self.invoices.due_on(day)

    @Get("/dues", response=list[Due])
    async def dues(self, db: AsyncSession) -> Sequence[Row[str, datetime.date, int]]:
        return (await db.execute(select(Invoice.customer, Invoice.due, Invoice.margin))).all()

    @Get("/{invoice_id}", response=InvoiceOut)
    async def show(self, invoice: Invoice) -> Invoice:
        return invoice

    @Get("/{invoice_id}/summary")
    async def summary(self, invoice: Invoice) -> Summary:
        return Summary(customer=invoice.customer, due=invoice.due, line_count=len(invoice.lines))

    @Get("/{invoice_id}/row", response=Summary)
    async def row(self, ctx: RequestContext, invoice: Invoice) -> Response:
        return ctx.json(invoice)

    @Get("/{invoice_id}/total")
    async def total(self, invoice: Invoice) -> dict[str, Money | Decimal]:
        cents = sum(each.cents for each in invoice.lines)
        return {"total": Euros(cents), "share": Decimal(cents) / 4}

    @Get("/{invoice_id}/events", response=AsyncIterator[Paid | Reminded])
    async def events(self, ctx: RequestContext, invoice: Invoice) -> Response:
        number = invoice.id

        async def events() -> AsyncIterator[Any]:
            yield Reminded(number)
            yield ServerSentEvent(data=Paid(number, Euros(950)), event="paid")

        return ctx.sse(events())

    @Post("/{invoice_id}/remind")
    async def remind(self, ctx: RequestContext, invoice: Invoice) -> None:
        ctx.background(self.invoices.add, invoice)


def create_billing(settings: Settings, broker: Broker, told: list[BaseException]) -> App:
    def on_error(ctx: RequestContext, error: BaseException) -> None:
        told.append(error)

    return bootstrap(
        [
            Module(
                "billing",
                controllers=[InvoiceController],
                providers=[language, current_invoice, earlier, Provider(Outbox, open_outbox, scope="handler")],
            )
        ],
        providers=[Provider(AsyncEngine, open_engine), open_session, Provider(Broker, value=broker)],
        settings=settings,
        exception_handlers={ShopError: shop_error},
        encoders={Money: lambda money: f"{Decimal(money.cents) / 100:.2f}"},
        on_error=on_error,
    )
