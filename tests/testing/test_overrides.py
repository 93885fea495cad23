"""What a test puts in place of a dependency: users, settings, and what has no effect."""

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from types import SimpleNamespace
from typing import Any

import msgspec
import pydantic
import pytest

from kick import App, Controller, Get, Module, bootstrap, clock
from kick.auth import Identity
from kick.di import Provider
from kick.testing import TestClient
from tests.support.setup_errors import raises_code
from tests.testing.app import Mailer, Settings, User, make_app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(make_app()) as client:
        yield client


class Role(Enum):
    admin = 1


class TestUser:
    def test_holds_for_handlers_and_guards(self, client: TestClient) -> None:
        with client.override(User, User(3, "ada")) as ada:
            assert client.get("/account").json() == "ada"
            assert client.get("/me").json() == {"id": 3, "roles": [], "name": ada.name}
            assert client.get("/admin").status_code == 403
        assert client.get("/account").status_code == 401
        assert client.get("/me").json() == {"id": None, "roles": [], "name": None}

    def test_its_roles_are_those_of_the_guards(self, client: TestClient) -> None:
        with client.override(User, User(3, "ada", roles=["admin"])):
            assert client.get("/admin").json() == "secret"

    @pytest.mark.parametrize("role", ["admin", Role.admin, SimpleNamespace(name="admin")])
    def test_so_is_its_only_role(self, client: TestClient, role: Any) -> None:
        user: Any = SimpleNamespace(id=3, name="ada", **({"role": role} if role == "admin" else {"roles": [role]}))
        with client.override(User, user):
            assert client.get("/admin").json() == "secret"

    def test_the_identity_alone(self, client: TestClient) -> None:
        who = Identity(user_id=3, roles=frozenset({"admin"}), logged_in_at=clock.now() - timedelta(days=1))
        with client.override(Identity, who):
            assert client.get("/admin").json() == "secret"
            assert client.get("/account").json() == "user 3"

    def test_it_comes_before_the_session(self, client: TestClient) -> None:
        client.login(7)
        with client.override(User, User(3, "ada")):
            assert client.get("/account").json() == "ada"
        assert client.get("/account").json() == "user 7"

    def test_one_that_is_made_for_each_request_says_nothing_to_guards(self, client: TestClient) -> None:
        with client.override(User, Provider(User, lambda: User(3, "ada"))):
            assert client.get("/account").status_code == 401


class TestSettings:
    def test_some_are_changed_and_what_was_made_of_them_is_made_again(self, client: TestClient) -> None:
        assert client.get("/greeting").json() == "hello"
        with client.override(Settings, greeting="good morning") as settings:
            assert client.get("/greeting").json() == "good morning"
            assert settings == Settings("good morning", 3)
        assert client.get("/greeting").json() == "hello"

    def test_a_whole_object_takes_their_place(self, client: TestClient) -> None:
        with client.override(Settings, Settings("good evening")):
            assert client.get("/greeting").json() == "good evening"

    @pytest.mark.parametrize("kind", ["struct", "pydantic", "frozen", "plain"])
    def test_they_are_of_any_kind(self, kind: str) -> None:
        class Struct(msgspec.Struct, frozen=True):
            greeting: str = "hello"

        class Model(pydantic.BaseModel):
            greeting: str = "hello"

        class Frozen(pydantic.BaseModel, frozen=True):
            greeting: str = "hello"

        class Plain:
            greeting = "hello"

        chosen: Any = {"struct": Struct, "pydantic": Model, "frozen": Frozen, "plain": Plain}[kind]
        client = TestClient(_greeting_app(chosen))
        with client.override(chosen, greeting="good morning"):
            assert client.get("/greeting").json() == "good morning"
        assert client.get("/greeting").json() == "hello"
        with pytest.raises(TypeError, match="greting"), client.override(chosen, greting="?"):
            pass

    def test_there_must_be_something(self, client: TestClient) -> None:
        with pytest.raises(TypeError, match="instance"), client.override(Settings):
            pass
        with pytest.raises(TypeError, match="instance"), client.override(Settings, Settings(), greeting="?"):
            pass


def _greeting_app(kind: Any) -> App:
    @Controller("/greeting")
    class GreetingController:
        def __init__(self, settings: kind) -> None:  # pyright: ignore[reportInvalidTypeForm]
            self.settings: Any = settings

        @Get()
        async def greeting(self) -> str:
            return str(self.settings.greeting)

    return bootstrap([Module("greeting", controllers=[GreetingController])], settings=kind())


def test_an_override_without_effect_is_an_error(client: TestClient) -> None:
    class MailClient: ...

    with raises_code("di-override-unused"), client.override(MailClient, MailClient()):
        pass


async def kind_of(mailer: Mailer) -> str:
    return type(mailer).__name__


def test_what_only_the_background_asks_for_may_be_overridden(client: TestClient) -> None:
    class Fake(Mailer): ...

    with client.override(Mailer, Fake()) as fake:
        client.post("/welcome/ada@example.com")
        assert client.run(kind_of) == "Fake"
    assert fake.sent == [("ada@example.com", "Welcome")]
    assert client.run(kind_of) == "Mailer"


def test_other_applications_have_other_dependencies() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(TypeError, match="kick"), TestClient(app).override(Mailer, Mailer()):
        pass
