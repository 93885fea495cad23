"""The administration: products and their pictures, for users with the role `admin`."""

import secrets
from typing import Annotated

from msgspec import Meta, Struct
from products import LARGEST, Product, ProductId, Products
from settings import Settings

from kick import (
    Conflict,
    Controller,
    File,
    Module,
    NotFound,
    Post,
    Put,
    Raises,
    RequestContext,
    UnsupportedMediaType,
    UploadFile,
)
from kick.auth import Roles

SUFFIXES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}
"""By the first bytes of the content, because clients choose the media type."""


class NewProduct(Struct):
    name: Annotated[str, Meta(pattern=r"\S", max_length=100)]
    price: Annotated[int, Meta(ge=1, le=LARGEST, description="In cents.")]
    stock: Annotated[int, Meta(ge=0, le=LARGEST)]


class Picture(Struct):
    picture: Annotated[UploadFile, File(max_size=2 << 20, types=["image/png", "image/jpeg"])]


class Shown(Struct):
    url: str


@Roles("admin")  # before the body is read: an upload of others does not arrive
@Controller("/admin/products")
class AdminController:
    def __init__(self, products: Products, settings: Settings) -> None:
        self.products = products
        self.folder = settings.pictures

    @Raises(Conflict)
    @Post("/", status=201)
    async def add(self, body: NewProduct) -> Product:
        """Add a product."""
        return await self.products.add(body.name, body.price, body.stock)

    @Raises(NotFound, UnsupportedMediaType)
    @Put("/{product_id}/picture")
    async def set_picture(self, ctx: RequestContext, product_id: ProductId, body: Picture) -> Shown:
        """Set the picture of a product."""
        begin = await body.picture.read(8)
        suffix = next((each for sign, each in SUFFIXES.items() if begin.startswith(sign)), None)
        if suffix is None:
            raise UnsupportedMediaType("This is no PNG or JPEG.")
        name = secrets.token_hex(16) + suffix
        before = await self.products.set_picture(product_id, name)
        await body.picture.save_to(self.folder / name)
        if before is not None:
            ctx.background((self.folder / before).unlink, missing_ok=True)  # after the commit
        return Shown(ctx.url_for("PictureController.show", name=name))


AdminModule = Module("admin", controllers=[AdminController])
