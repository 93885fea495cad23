"""One typed body, whatever kind of type it is and however it comes: JSON, a form, a multipart form with files."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from urllib.parse import urlencode

import attrs
import msgspec
import pytest
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.datastructures import UploadFile as StarletteUploadFile

from kick import Controller, File, Get, Post, RequestContext, UploadFile
from kick.http import CallNext, Response
from tests.http.forms import TYPE, file, post, text
from tests.http.handlers.test_extractors import app_taking
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code

Short = Annotated[str, Meta(min_length=2)]
Positive = Annotated[int, Meta(gt=0)]


class StructPlace(msgspec.Struct):
    city: str
    floor: int = 0


class StructOrder(msgspec.Struct):
    name: Short
    count: Positive
    tags: list[str] = []
    numbers: list[int] = []
    note: str | None = None
    gift: bool = False
    place: StructPlace | None = None
    stops: list[StructPlace] = []


@dataclass
class DataPlace:
    city: str
    floor: int = 0


@dataclass
class DataOrder:
    name: Short
    count: Positive
    tags: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    note: str | None = None
    gift: bool = False
    place: DataPlace | None = None
    stops: list[DataPlace] = field(default_factory=list)


@attrs.define
class AttrsPlace:
    city: str
    floor: int = 0


@attrs.define
class AttrsOrder:
    name: str = attrs.field(validator=attrs.validators.min_len(2))
    count: int = attrs.field(validator=attrs.validators.gt(0))
    tags: list[str] = attrs.field(factory=list)
    numbers: list[int] = attrs.field(factory=list)
    note: str | None = None
    gift: bool = False
    place: AttrsPlace | None = None
    stops: list[AttrsPlace] = attrs.field(factory=list)


class DictPlace(TypedDict):
    city: str
    floor: NotRequired[int]


class DictOrder(TypedDict):
    name: Short
    count: Positive
    tags: NotRequired[list[str]]
    numbers: NotRequired[list[int]]
    note: NotRequired[str | None]
    gift: NotRequired[bool]
    place: NotRequired[DictPlace | None]
    stops: NotRequired[list[DictPlace]]


class ModelPlace(BaseModel):
    city: str
    floor: int = 0


class ModelOrder(BaseModel):
    name: str = Field(min_length=2)
    count: int = Field(gt=0)
    tags: list[str] = []
    numbers: list[int] = []
    note: str | None = None
    gift: bool = False
    place: ModelPlace | None = None
    stops: list[ModelPlace] = []


ORDERS = [StructOrder, DataOrder, AttrsOrder, DictOrder, ModelOrder]
FULL: dict[str, Any] = {
    "name": "Ada é",
    "count": 3,
    "tags": ["a", "b"],
    "numbers": [1, 2],
    "note": "x, y",
    "gift": True,
    "place": {"city": "Bern", "floor": 2},
    "stops": [{"city": "Rome", "floor": 0}, {"city": "Oslo", "floor": 1}],
}


def as_fields(value: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields of a form that says the same as a JSON object."""
    fields: list[tuple[str, str]] = []
    for name, each in value.items():
        for item in each if isinstance(each, list) else [each]:
            if item is not None:
                fields.append((name, item if isinstance(item, str) else msgspec.json.encode(item).decode()))
    return fields


async def answers(hint: Any, value: dict[str, Any]) -> list[Any]:
    """What an application says to a body as JSON, as a form and as a multipart form."""
    app, fields = app_taking(hint), as_fields(value)
    return [
        await ask(app, "/", method="POST", json=value),
        await ask(app, "/", method="POST", form=urlencode(fields)),
        await post(app, *[text(name, each) for name, each in fields]),
    ]


@pytest.mark.parametrize("hint", ORDERS)
async def test_every_kind_of_type_is_filled_alike_by_json_and_forms(hint: Any) -> None:
    assert [answer.json() for answer in await answers(hint, FULL)] == [FULL] * 3


@pytest.mark.parametrize("hint", ORDERS)
async def test_what_is_left_out_has_its_default_in_every_kind(hint: Any) -> None:
    least = {"name": "Ada", "count": 1}
    defaults = {"tags": [], "numbers": [], "note": None, "gift": False, "place": None, "stops": []}
    wanted = least if hint is DictOrder else {**least, **defaults}
    assert [answer.json() for answer in await answers(hint, least)] == [wanted] * 3


@pytest.mark.parametrize("hint", ORDERS)
async def test_every_kind_tells_of_everything_that_is_wrong_with_its_place(hint: Any) -> None:
    wrong = {"name": "A", "numbers": ["x", 1, "y"], "place": {"floor": "z"}, "stops": [{"city": "Rome"}, {}]}
    for answer in await answers(hint, wrong):
        assert answer.status == 422
        assert sorted(answer.locations) == [
            "/body/count",
            "/body/name",
            "/body/numbers/0",
            "/body/numbers/2",
            "/body/place/city",
            "/body/place/floor",
            "/body/stops/1/city",
        ]


@pytest.mark.parametrize("hint", ORDERS)
@pytest.mark.parametrize("place", ["Bern", "{", "[1]", '{"city": "\ud83d'])
async def test_a_field_of_an_object_that_is_no_json_object_is_a_422(hint: Any, place: str) -> None:
    form = urlencode({"name": "Ada", "count": "1", "place": place}, errors="replace")
    answer = await ask(app_taking(hint), "/", method="POST", form=form)
    assert (answer.status, answer.locations) == (422, ["/body/place"])


# attrs


def _even(instance: Any, attribute: Any, value: int) -> None:
    if value % 2:
        raise ValueError(f"{attribute.name} is odd")


def _above_low(instance: Any, attribute: Any, value: int) -> None:
    if value <= instance.low:
        raise ValueError("high is not above low")


@attrs.define
class Range:
    low: int = attrs.field(validator=_even)
    high: int = attrs.field(validator=[_even, _above_low])
    _name: str = attrs.field(default="", alias="label", validator=attrs.validators.max_len(3))
    kind: str = attrs.field(default="a", validator=attrs.validators.in_(["a", "b"]))
    made: int = attrs.field(init=False, default=7)

    def __attrs_post_init__(self) -> None:
        if self.low == 66:
            raise ValueError("66 is not allowed")


@attrs.define
class Ranges:
    ranges: list[Range]


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        ({"low": 1, "high": 3}, {"/body/low": "low is odd", "/body/high": "high is odd"}),
        ({"low": 4, "high": 2}, {"/body/high": "high is not above low"}),
        ({"high": 2}, {"/body/low": "This field is required"}),
        ({"low": "x", "high": 3}, {"/body/low": "Expected `int`, got `str`", "/body/high": "high is odd"}),
        ({"low": 66, "high": 68}, {"/body": "66 is not allowed"}),
        ({"low": 2, "high": 4, "kind": "c"}, {"/body/kind": "'kind' must be in ['a', 'b'] (got 'c')"}),
    ],
)
async def test_each_validator_of_attrs_is_heard_at_its_field(value: Any, errors: dict[str, str]) -> None:
    answer = await ask(app_taking(Range), "/", method="POST", json=value)
    assert {each["location"]: each["message"] for each in answer.json()["errors"]} == errors


async def test_what_is_right_with_one_object_of_attrs_is_not_reported_with_another() -> None:
    value = {"ranges": [{"low": 2, "high": 4, "_name": "abc"}, {"low": 2, "high": 4, "_name": "abcd"}]}
    answer = await ask(app_taking(Ranges), "/", method="POST", json=value)
    assert (answer.status, answer.locations) == (422, ["/body/ranges/1/_name"])


# pydantic


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    owner: ModelPlace


class Home(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pet: Cat | Dog
    best: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    size: int | bool = 1
    named: dict[int, int] = {}
    street: str = Field(default="", alias="streetName", max_length=2)

    @model_validator(mode="after")
    def check(self) -> "Home":
        if self.size == 13:
            raise ValueError("13 is not allowed")
        return self


@pytest.mark.parametrize(
    ("value", "locations"),
    [
        ({"pet": {"kind": "dog", "owner": {}}}, {"/body/pet/owner/city", "/body/pet/kind", "/body/pet/lives"}),
        ({"pet": {"kind": "cat", "lives": 1}, "best": {"kind": "dog", "owner": {}}}, {"/body/best/owner/city"}),
        ({"pet": {"kind": "cat", "lives": 1}, "best": {"kind": "cow"}}, {"/body/best/kind"}),
        ({"pet": {"kind": "cat", "lives": 1}, "size": "x"}, {"/body/size"}),
        ({"pet": {"kind": "cat", "lives": 1}, "named": {"x": 1, "2": "y"}}, {"/body/named/x", "/body/named/2"}),
        ({"pet": {"kind": "cat", "lives": 1}, "streetName": "abc"}, {"/body/streetName"}),
        ({"pet": {"kind": "cat", "lives": 1}, "a/b": 1}, {"/body/a~1b"}),
        ({"pet": {"kind": "cat", "lives": 1}, "size": 13}, {"/body"}),
        ({}, {"/body/pet"}),
    ],
)
async def test_pydantics_errors_have_pointers_into_the_body(value: Any, locations: set[str]) -> None:
    answer = await ask(app_taking(Home), "/", method="POST", json=value)
    assert (answer.status, set(answer.locations)) == (422, locations)
    assert "pydantic.dev" not in answer.text


# Files


class StructUpload(msgspec.Struct):
    title: str
    picture: Annotated[UploadFile, File(max_size=10, types=["image/*"])]
    number: int = 0
    others: Annotated[list[UploadFile], File(max_files=2)] = []
    extra: UploadFile | None = None


@dataclass
class DataUpload:
    title: str
    picture: Annotated[UploadFile, File(max_size=10, types=["image/*"])]
    number: int = 0
    others: Annotated[list[UploadFile], File(max_files=2)] = field(default_factory=list)
    extra: UploadFile | None = None


@attrs.define
class AttrsUpload:
    title: str
    picture: Annotated[UploadFile, File(max_size=10, types=["image/*"])]
    number: int = 0
    others: Annotated[list[UploadFile], File(max_files=2)] = attrs.field(factory=list)
    extra: UploadFile | None = None


class DictUpload(TypedDict):
    title: str
    picture: Annotated[UploadFile, File(max_size=10, types=["image/*"])]
    number: NotRequired[int]
    others: NotRequired[Annotated[list[UploadFile], File(max_files=2)]]
    extra: NotRequired[UploadFile | None]


class ModelUpload(BaseModel):
    title: str
    picture: Annotated[UploadFile, File(max_size=10, types=["image/*"])]
    number: int = 0
    others: Annotated[list[UploadFile], File(max_files=2)] = []
    extra: UploadFile | None = None


UPLOADS = [StructUpload, DataUpload, AttrsUpload, DictUpload, ModelUpload]


def app_uploading(hint: Any) -> Any:
    async def take(self: Any, body: Any) -> Any:
        get: Any = body.get if isinstance(body, dict) else lambda name, _=None: getattr(body, name)
        shown = [get("title"), (await get("picture").read()).decode(), get("number", 0)]
        extra = get("extra")
        return [*shown, [each.size for each in get("others", [])], extra and extra.filename]

    take.__annotations__["body"] = hint
    return app_of(Controller()(type("Taking", (), {"take": Post("/")(take)})))


PICTURE = file("picture", b"pixels")


@pytest.mark.parametrize("hint", UPLOADS)
async def test_files_stand_beside_texts_in_every_kind_of_type(hint: Any) -> None:
    app = app_uploading(hint)
    assert (await post(app, text("title", "a"), PICTURE)).json() == ["a", "pixels", 0, [], None]
    others = [file("others", b"1"), file("others", b"22"), file("extra", b"", filename="e.txt"), text("number", "7")]
    answer = await post(app, text("title", "a"), PICTURE, *others)
    assert answer.json() == ["a", "pixels", 7, [1, 2], "e.txt"]


@pytest.mark.parametrize("hint", UPLOADS)
@pytest.mark.parametrize(
    ("parts", "status", "locations"),
    [
        ([], 422, ["/body/picture", "/body/title"]),
        ([text("picture", "pixels"), text("title", "a"), text("number", "x")], 422, ["/body/number", "/body/picture"]),
        ([file("title", b"a"), PICTURE], 422, ["/body/title"]),
        ([PICTURE, text("title", "a"), text("others", "1")], 422, ["/body/others/0"]),
        ([file("picture", b"x" * 11)], 413, ["/body/picture"]),
        ([file("picture", b"", media_type="text/css")], 415, ["/body/picture"]),
        ([file("others", b"")] * 3, 413, ["/body/others"]),
    ],
)
async def test_what_is_wrong_with_files_has_its_place_in_every_kind(
    hint: Any, parts: list[bytes], status: int, locations: list[str]
) -> None:
    answer = await post(app_uploading(hint), *parts)
    assert (answer.status, sorted(answer.locations)) == (status, locations)


@pytest.mark.parametrize("hint", UPLOADS)
async def test_json_and_plain_forms_bring_no_files(hint: Any) -> None:
    app = app_uploading(hint)
    answer = await ask(app, "/", method="POST", json={"title": "a", "picture": "pixels"})
    assert (answer.status, answer.locations) == (422, ["/body/picture"])
    answer = await ask(app, "/", method="POST", form="title=a&picture=pixels")
    assert (answer.status, answer.locations) == (422, ["/body/picture"])
    answer = await ask(app, "/", method="POST", form="title=a")
    assert (answer.status, answer.errors) == (422, {"/body/picture": "missing"})


async def test_an_optional_file_leaves_the_body_to_json_too() -> None:
    class Profile(msgspec.Struct):
        name: str
        avatar: UploadFile | None = None

    app = app_taking(Profile)
    wanted = {"name": "Ada", "avatar": None}
    assert (await ask(app, "/", method="POST", json={"name": "Ada"})).json() == wanted
    assert (await post(app, text("name", "Ada"))).json() == wanted


async def test_limits_of_a_file_may_stand_within_an_optional_type() -> None:
    class Profile(msgspec.Struct):
        avatar: Annotated[UploadFile, File(types=["image/*"])] | None = None

    @Controller()
    class Optional:
        @Post("/parameter")
        async def parameter(self, avatar: Annotated[UploadFile, File(types=["image/*"])] | None = None) -> Any:
            return [avatar and avatar.filename]

        @Post("/several")
        async def several(self, avatar: list[Annotated[UploadFile, File(types=["image/*"])]] | None = None) -> Any:
            return [each.filename for each in avatar or []]

        @Post("/field")
        async def field(self, body: Profile) -> Any:
            return [body.avatar and body.avatar.filename]

    app = app_of(Optional)
    for target in ("/parameter", "/several", "/field"):
        assert (await post(app, file("avatar", b"x"), target=target)).json() == ["a.bin"]
        assert (await post(app, file("avatar", b"x", media_type="text/html"), target=target)).status == 415
        assert (await post(app, text("other", "x"), target=target)).json() in ([None], [])


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    title: str


@Controller()
class Parameters:
    @Post("/one")
    async def one(self, avatar: Annotated[UploadFile, File(max_size=10)]) -> Any:
        return [avatar.filename, avatar.size]

    @Post("/optional")
    async def optional(self, avatar: UploadFile | None = None) -> Any:
        return avatar and avatar.filename

    @Post("/list")
    async def several(self, photos: Annotated[list[UploadFile], File(max_files=2, types=["image/png"])]) -> Any:
        return [each.size for each in photos]

    @Post("/starlette")
    async def starlette(self, avatar: StarletteUploadFile) -> Any:
        return avatar.size

    @Post("/both")
    async def both(self, body: Strict, avatar: UploadFile, *, photos: list[UploadFile] = []) -> Any:  # noqa: B006
        return [body.title, avatar.size, len(photos)]

    @Post("/by_name")
    async def by_name(self, body: dict[str, UploadFile]) -> Any:
        return {name: each.size for name, each in body.items()}


AVATAR = file("avatar", b"12345")


@pytest.mark.parametrize(
    ("target", "parts", "wanted"),
    [
        ("/one", [AVATAR], ["a.bin", 5]),
        ("/one", [AVATAR, text("other", "1"), file("other", b"1")], ["a.bin", 5]),
        ("/optional", [AVATAR], "a.bin"),
        ("/list", [file("photos", b"1"), file("photos", b"22")], [1, 2]),
        ("/starlette", [AVATAR], 5),
        ("/both", [AVATAR, text("title", "a"), file("photos", b"1")], ["a", 5, 1]),
        ("/by_name", [AVATAR, file("b", b"1")], {"avatar": 5, "b": 1}),
    ],
)
async def test_a_parameter_is_a_file_of_the_form(target: str, parts: list[bytes], wanted: Any) -> None:
    assert (await post(app_of(Parameters), *parts, target=target)).json() == wanted


@pytest.mark.parametrize(
    ("target", "parts", "status", "errors"),
    [
        ("/one", [], 422, {"/body/avatar": "missing"}),
        ("/one", [text("avatar", "x")], 422, {"/body/avatar": "type"}),
        ("/one", [file("avatar", b"", filename="")], 422, {"/body/avatar": "missing"}),
        ("/one", [file("avatar", b"x" * 11)], 413, {"/body/avatar": "size"}),
        ("/one", [AVATAR, AVATAR], 413, {"/body/avatar": "files"}),
        ("/list", [], 422, {"/body/photos": "missing"}),
        ("/list", [text("photos", "x")], 422, {"/body/photos/0": "type"}),
        ("/list", [file("photos", b"")] * 3, 413, {"/body/photos": "files"}),
        (
            "/both",
            [text("titel", "a")],
            422,
            {"/body/title": "missing", "/body/titel": "unknown", "/body/avatar": "missing"},
        ),
        ("/both", [file("photos", b"")] * 11, 413, {"/body/photos": "files"}),
        ("/by_name", [AVATAR, text("b", "1")], 422, {"/body/b": "type"}),
    ],
)
async def test_what_is_wrong_with_a_parameter_has_its_place(
    target: str, parts: list[bytes], status: int, errors: dict[str, str]
) -> None:
    answer = await post(app_of(Parameters), *parts, target=target)
    assert (answer.status, answer.errors) == (status, errors)


async def test_a_file_wants_a_multipart_form() -> None:
    app = app_of(Parameters)
    for target in ("/one", "/optional"):
        for options in ({"json": {"avatar": "x"}}, {"form": "avatar=x"}):
            answer = await ask(app, target, method="POST", **options)  # type: ignore[arg-type]
            assert (answer.status, answer.header("accept")) == (415, "multipart/form-data")
    assert (await ask(app, "/optional", method="POST")).status == 204
    assert (await ask(app, "/one", method="POST")).errors == {"/body/avatar": "missing"}
    assert (await ask(app, "/one", method="POST", headers=TYPE)).status == 400


class Described(msgspec.Struct):
    picture: UploadFile
    meta: StructPlace
    more: list[StructPlace] = []


async def test_json_for_an_object_may_come_as_a_browser_sends_a_blob() -> None:
    async def take(self: Any, body: Described) -> Any:
        return [body.picture.size, body.meta, body.more]

    app = app_of(Controller()(type("Taking", (), {"take": Post("/")(take)})))
    meta = file("meta", b'{"city": "Bern"}', filename="blob", media_type="application/json; charset=utf-8")
    more = file("more", b'{"city": "Rome"}', filename="blob", media_type="application/vnd.place+json")
    answer = await post(app, PICTURE, meta, more, more)
    assert answer.json() == [6, {"city": "Bern", "floor": 0}, [{"city": "Rome", "floor": 0}] * 2]
    answer = await post(app, PICTURE, file("meta", b"{}", media_type="application/json"))
    assert (answer.status, answer.errors) == (422, {"/body/meta/city": "missing"})
    answer = await post(app, PICTURE, file("meta", b"{}", media_type="text/plain"))
    assert (answer.status, answer.locations) == (422, ["/body/meta"])
    answer = await post(app, file("picture", b"{}", media_type="application/json"), meta)
    assert answer.status == 200


class Renamed(BaseModel):
    tags: list[str] = Field(default=[], alias="tagList")
    places: list[ModelPlace] = Field(default=[], validation_alias="placeList")
    picture: Annotated[UploadFile, File(max_size=3)] | None = Field(default=None, validation_alias="thePicture")


async def test_fields_of_models_may_have_other_names_in_forms() -> None:
    async def take(self: Any, body: Renamed) -> Any:
        return [body.tags, [place.city for place in body.places], body.picture and body.picture.size]

    app = app_of(Controller()(type("Taking", (), {"take": Post("/")(take)})))
    parts = [text("tagList", "a"), text("placeList", '{"city": "Bern"}')]
    assert (await post(app, *parts, file("thePicture", b"123"))).json() == [["a"], ["Bern"], 3]
    assert (await post(app, *parts, file("thePicture", b"1234"))).errors == {"/body/thePicture": "size"}


async def test_the_limits_hold_where_middleware_reads_the_body_first() -> None:
    async def read(ctx: RequestContext, call_next: CallNext) -> Response:
        await ctx.read()
        return await call_next(ctx)

    app = app_of(Parameters, middleware=[read])
    assert (await post(app, AVATAR, target="/one")).json() == ["a.bin", 5]
    assert (await post(app, file("avatar", b"x" * 11), target="/one")).status == 413


@pytest.mark.parametrize(
    ("decorator", "parameter", "hint", "code"),
    [
        (Get(), "avatar", UploadFile, "handler-body"),
        (Post(stream=True), "avatar", UploadFile, "handler-stream"),
        (Get(), "query", StructUpload, "handler-type"),
    ],
)
def test_a_handler_that_no_file_can_reach_is_a_mistake(decorator: Any, parameter: str, hint: Any, code: str) -> None:
    names: dict[str, Any] = {}
    exec(f"async def take(self, {parameter}): ...", names)
    names["take"].__annotations__[parameter] = hint
    with raises_code(code):
        app_of(Controller()(type("Taking", (), {"take": decorator(names["take"])})))
