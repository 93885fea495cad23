"""Controllers that inherit from others: their routes, their middleware, and bases that are generic."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest
from pydantic import BaseModel

from kick import (
    Controller,
    Delete,
    File,
    Get,
    Header,
    Module,
    Post,
    Provider,
    Put,
    RequestContext,
    Service,
    UploadFile,
    Use,
    bootstrap,
)
from kick.errors import KickError
from kick.http import CallNext, Response
from tests.http.forms import file, post, text
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code

T = TypeVar("T")
Q = TypeVar("Q")
K = TypeVar("K", int, str)


def named(name: str) -> Any:
    """Middleware that says in the response that it ran."""

    async def layer(ctx: RequestContext, call_next: CallNext) -> Response:
        ctx.set_header("x-ran", f"{ctx.state._state.get('ran', '')}{name}")
        ctx.state.ran = f"{ctx.state._state.get('ran', '')}{name}"
        return await call_next(ctx)

    return layer


class Note(msgspec.Struct):
    title: str


@dataclass
class Task:
    done: bool


class Member(BaseModel):
    age: int


class Paging(msgspec.Struct):
    page: int = 1


@Service()
class Repository(Generic[T]):
    def kind(self) -> str:
        return type(self).__name__


@Service()
class Notes(Repository[Note]): ...


class Crud(ABC, Generic[T, Q]):
    """A base as one would write it: it is no controller itself."""

    def __init__(self, repository: Repository[T]) -> None:
        self.repository = repository

    @abstractmethod
    def name(self) -> str: ...

    @Get()
    async def index(self, query: Q) -> Any:
        return [self.name(), query]

    @Post(status=201)
    async def create(self, body: T) -> Any:
        return [self.name(), type(body).__name__, body]

    @Post("/many")
    async def create_many(self, body: list[T]) -> Any:
        return [[type(each).__name__ for each in body]]

    @Put("/{key}")
    async def update(self, key: str, body: T | None = None) -> Any:
        return [key, body]

    @Delete("/{key}")
    async def delete(self, key: str) -> Any:
        return f"{self.name()} {key}"


@Controller("/tasks")
class TaskController(Crud[Task, dict[str, str]]):
    def __init__(self) -> None: ...

    def name(self) -> str:
        return "tasks"

    async def delete(self, key: str) -> Any:
        return "overridden"


@Controller("/members")
class MemberController(Crud[Member, Paging]):
    def __init__(self) -> None: ...

    def name(self) -> str:
        return "members"

    delete = None  # type: ignore[assignment]  # takes the route away


async def test_what_a_generic_base_takes_is_what_its_subclass_says() -> None:
    app = app_of(TaskController, MemberController)
    answer = await ask(app, "/tasks", method="POST", json={"done": True})
    assert (answer.status, answer.json()) == (201, ["tasks", "Task", {"done": True}])
    answer = await ask(app, "/members", method="POST", json={"age": 3})
    assert answer.json() == ["members", "Member", {"age": 3}]
    assert (await ask(app, "/tasks?a=b")).json() == ["tasks", {"a": "b"}]
    assert (await ask(app, "/members?page=2")).json() == ["members", {"page": 2}]
    assert (await ask(app, "/members?page=x")).errors == {"/query/page": "type"}


async def test_type_variables_within_other_types_are_filled_too() -> None:
    app = app_of(TaskController, MemberController)
    assert (await ask(app, "/tasks/many", method="POST", json=[{"done": True}])).json() == [["Task"]]
    assert (await ask(app, "/members/many", method="POST", json=[{"age": "x"}])).locations == ["/body/0/age"]
    assert (await ask(app, "/tasks/7", method="PUT", json={"done": False})).json() == ["7", {"done": False}]
    assert (await ask(app, "/tasks/7", method="PUT")).json() == ["7", None]
    assert (await ask(app, "/tasks/7", method="PUT", json={"done": 1})).locations == ["/body/done"]


async def test_an_inherited_handler_may_be_overridden_or_taken_away() -> None:
    app = app_of(TaskController, MemberController)
    assert (await ask(app, "/tasks/7", method="DELETE")).json() == "overridden"
    answer = await ask(app, "/members/7", method="DELETE")
    assert (answer.status, answer.header("allow")) == (405, "OPTIONS, PUT")


def test_a_route_is_named_after_the_controller_that_has_it() -> None:
    routes = [(route.name, route.path) for route in app_of(TaskController).routes if route.method == "PUT"]
    assert routes == [("TaskController.update", "/tasks/{key}")]


class Sub(Crud[Note, Paging]):
    """Between the base and the controller; it uses the names of type variables for itself."""

    def name(self) -> str:
        return "notes"


class Wrapped(Crud[list[T], Paging], Generic[T]):
    def name(self) -> str:
        return "lists"


async def test_what_the_constructor_of_a_generic_base_asks_for_is_provided() -> None:
    @Controller("/notes")
    class NoteController(Sub):
        @Get("/kind")
        async def kind(self) -> str:
            return self.repository.kind()

    module = Module("notes", controllers=[NoteController], providers=[Provider(Repository[Note], Notes)])
    app = bootstrap([module])
    assert (await ask(app, "/notes/kind")).json() == "Notes"
    assert (await ask(app, "/notes", method="POST", json={"title": 1})).locations == ["/body/title"]


async def test_one_type_variable_may_stand_for_different_types_at_different_levels() -> None:
    @Controller()
    class Lists(Wrapped[Note]):
        def __init__(self) -> None: ...

    app = app_of(Lists)
    assert (await ask(app, "/", method="POST", json=[{"title": "a"}])).json() == ["lists", "list", [{"title": "a"}]]
    assert (await ask(app, "/many", method="POST", json=[[{"title": 1}]])).locations == ["/body/0/0/title"]


async def test_headers_and_files_of_a_generic_base_are_filled_too() -> None:
    class Base(Generic[T, K]):
        @Post()
        async def take(self, body: T, key: Header[K], picture: Annotated[UploadFile, File(max_size=3)]) -> Any:
            return [body, key, picture.size]

    @Controller()
    class Own(Base[Note, int]): ...

    app = app_of(Own)
    headers = {"content-type": "multipart/form-data; boundary=xx", "key": "7"}
    answer = await post(app, text("title", "a"), file("picture", b"123"), headers=headers)
    assert answer.json() == [{"title": "a"}, 7, 3]
    answer = await post(app, text("titel", "a"), headers={**headers, "key": "x"})
    assert answer.errors == {"/body/title": "missing", "/header/key": "type", "/body/picture": "missing"}
    assert (await post(app, file("picture", b"1234"), headers=headers)).status == 413


def test_a_generic_controller_that_does_not_say_its_types_is_a_mistake() -> None:
    class Base(Generic[T]):
        @Post()
        async def take(self, body: T) -> None: ...

    @Controller()
    class Own(Base[T], Generic[T]): ...

    @Controller("/bare")
    class Bare(Base): ...  # type: ignore[type-arg]

    for controller in (Own, Bare):
        with raises_code("handler-type", match="its type variable has no type"):
            app_of(controller)


@Use(named("base "))
class Logged:
    @Get("/hello")
    @Use(named("handler "))
    async def hello(self) -> str:
        return f"hello from {type(self).__name__}"

    @Get("/bye")
    async def bye(self) -> str:
        return "bye"


class Other:
    @Get("/other")
    async def other(self) -> str:
        return "other"


@Use(named("own "))
@Controller("/a")
class A(Logged, Other):
    @Get("/bye-bye")
    async def bye(self) -> str:
        return f"{await super().bye()}-bye"


@Controller("/b")
class B(A): ...


async def test_routes_of_all_bases_are_inherited_with_their_middleware() -> None:
    app = app_of(A, B)
    for prefix, name in (("/a", "A"), ("/b", "B")):
        answer = await ask(app, f"{prefix}/hello")
        assert (answer.json(), answer.header("x-ran")) == (f"hello from {name}", "base own handler")
        assert (await ask(app, f"{prefix}/other")).json() == "other"
        assert (await ask(app, f"{prefix}/bye-bye")).json() == "bye-bye"
        assert (await ask(app, f"{prefix}/bye")).status == 404


async def test_a_controller_that_is_inherited_from_keeps_its_own_prefix() -> None:
    assert {route.path for route in app_of(A).routes} == {"/a/hello", "/a/other", "/a/bye-bye"}
    assert {route.path for route in app_of(B).routes} == {"/b/hello", "/b/other", "/b/bye-bye"}


def test_a_subclass_of_a_controller_is_one_only_when_it_says_so() -> None:
    class C(A): ...

    with pytest.raises(KickError, match="lists C as a controller"):
        app_of(C)
