"""The products, and their pictures."""

from collections.abc import Collection
from typing import Annotated

from database import ProductRow
from msgspec import Meta, Struct, convert
from settings import Settings
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kick import Conflict, Controller, Get, Module, NotFound, Raises, RequestContext, Response, Service

LARGEST = 2**31 - 1
"""The greatest number that every database stores in an integer."""

ProductId = Annotated[int, Meta(ge=1, le=LARGEST)]


class Product(Struct):
    id: int
    name: str
    price: Annotated[int, Meta(description="In cents.")]
    stock: int
    picture: Annotated[str | None, Meta(description="The name of its picture, below /pictures.")] = None


class Search(Struct):
    text: Annotated[str, Meta(max_length=100, description="A part of the name.")] = ""
    page: Annotated[int, Meta(ge=1, le=1000)] = 1


PAGE_SIZE = 20


@Service()
class Products:
    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def search(self, search: Search) -> list[Product]:
        query = select(ProductRow).where(ProductRow.name.icontains(search.text, autoescape=True))
        page = query.order_by(ProductRow.name).limit(PAGE_SIZE).offset((search.page - 1) * PAGE_SIZE)
        return [product_of(row) for row in await self.db.scalars(page)]

    async def get(self, product_id: int) -> Product:
        """Return a product. Raises `NotFound`."""
        row = await self.db.get(ProductRow, product_id)
        if row is None:
            raise NotFound(f"There is no product {product_id}.")
        return product_of(row)

    async def of(self, product_ids: Collection[int]) -> list[Product]:
        """Return these products, without those that no longer exist."""
        rows = await self.db.scalars(select(ProductRow).where(ProductRow.id.in_(product_ids)).order_by(ProductRow.name))
        return [product_of(row) for row in rows]

    async def add(self, name: str, price: int, stock: int) -> Product:
        """Add a product. Raises `Conflict` if there is one of this name."""
        row = ProductRow(name=name, price=price, stock=stock)
        self.db.add(row)
        try:
            await self.db.flush()
        except IntegrityError:
            await self.db.rollback()
            raise Conflict(f"There is a product {name!r} already.") from None
        return product_of(row)

    async def set_picture(self, product_id: int, picture: str) -> str | None:
        """Set the name of the picture; return that of the picture before. Raises `NotFound`."""
        row = await self.db.get(ProductRow, product_id)
        if row is None:
            raise NotFound(f"There is no product {product_id}.")
        before, row.picture = row.picture, picture
        return before


def product_of(row: ProductRow) -> Product:
    return convert(row, Product, from_attributes=True)


@Controller("/products")
class ProductController:
    def __init__(self, products: Products) -> None:
        self.products = products

    @Get("/")
    async def index(self, query: Search) -> list[Product]:
        """List the products whose name contains a text."""
        return await self.products.search(query)

    @Raises(NotFound)
    @Get("/{product_id}")
    async def show(self, product_id: ProductId) -> Product:
        """Show a product."""
        return await self.products.get(product_id)


@Controller("/pictures", session=False)  # no store call for pictures
class PictureController:
    def __init__(self, settings: Settings) -> None:
        self.folder = settings.pictures

    @Raises(NotFound)
    @Get("/{name}")
    async def show(self, ctx: RequestContext, name: str) -> Response:
        """Show a picture. Its name changes with it, so browsers may keep it."""
        picture = ctx.send_file(name, root=self.folder)
        picture.headers["cache-control"] = "public, max-age=31536000, immutable"  # not of an error: it may be over soon
        return picture


ProductModule = Module("products", controllers=[ProductController, PictureController])
