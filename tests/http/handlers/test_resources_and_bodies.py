"""The order of a body and of the dependencies of its handler: nothing of a pool is held for a slow client."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import msgspec
import pytest
from starlette.types import Message

from kick import App, Controller, Form, Module, Post, Provider, RequestContext, Service, Unauthorized, bootstrap
from kick.auth import Authenticated, authentication
from kick.session import session
from tests.http.support import ask

SECRET = "a secret of at least thirty-two bytes"


class Pool:
    """Counts the connections that are lent."""

    lent = 0
    ever = 0


class Connection: ...


class User:
    def __init__(self, name: str) -> None:
        self.name = name


class Text(msgspec.Struct):
    text: str


@Service(scope="handler")
async def connect(pool: Pool) -> AsyncIterator[Connection]:
    pool.lent += 1
    pool.ever += 1
    try:
        yield Connection()
    finally:
        pool.lent -= 1


def connect_in_a_thread(pool: Pool) -> Iterator[Connection]:
    pool.lent += 1
    pool.ever += 1
    yield Connection()
    pool.lent -= 1


class Repository:
    def __init__(self, connection: Connection) -> None: ...


async def load_user(user_id: str, repository: Repository) -> User | None:
    return User(user_id)


async def visitor(repository: Repository) -> User:
    return User("visitor")


@Controller()
class Writing:
    @Post("/direct")
    async def direct(self, connection: Connection, body: Text) -> str:
        return body.text

    @Post("/deep")
    async def deep(self, user: User, body: Text) -> str:
        return body.text

    @Post("/form")
    async def form(self, user: User, form: Form[Text]) -> str:
        return form.value.text

    @Post("/context")
    async def context(self, ctx: RequestContext, user: User) -> Any:
        return ctx.body["text"]


@Controller("/built")
class Built:
    def __init__(self, repository: Repository) -> None: ...

    @Post()
    async def write(self, body: Text) -> str:
        return body.text


def app_with(pool: Pool, connection: Any) -> App:
    providers = [Provider(Pool, value=pool), connection, Repository, visitor]
    return bootstrap([Module("writing", controllers=[Writing, Built], providers=providers)])


@pytest.mark.parametrize("connection", [connect, connect_in_a_thread])
@pytest.mark.parametrize("path", ["/direct", "/deep", "/form", "/context", "/built"])
async def test_no_connection_is_lent_while_a_body_arrives(path: str, connection: Any) -> None:
    """Twenty clients that sent nothing of their bodies held all connections of the pool, and nobody was served."""
    pool, arrives = Pool(), anyio.Event()
    is_form = path == "/form"
    body = b"text=hello" if is_form else b'{"text":"hello"}'
    kind = b"application/x-www-form-urlencoded" if is_form else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "scheme": "http"}
    sent: list[Message] = []
    waits = anyio.Event()

    async def receive() -> Message:
        waits.set()
        await arrives.wait()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app_with(pool, connection), scope, receive, send)
        await waits.wait()
        await anyio.wait_all_tasks_blocked()
        assert (pool.lent, pool.ever) == (0, 0)
        arrives.set()
    assert (sent[0]["status"], sent[1]["body"]) == (200, b'"hello"')
    assert (pool.lent, pool.ever) == (0, 1)


async def test_a_dependency_that_holds_nothing_rejects_before_the_body_is_read() -> None:
    async def refuse() -> User:
        raise Unauthorized("no")

    @Controller()
    class Refusing:
        @Post("/")
        async def write(self, user: User, body: Text) -> str:
            return body.text

    app = bootstrap([Module("refusing", controllers=[Refusing], providers=[refuse])])
    answer = await ask(app, "/", method="POST", json={"text": "hello"})
    assert (answer.status, answer.read) == (401, 0)


@pytest.mark.parametrize("path", ["/asked", "/guarded"])
async def test_anonymous_users_are_rejected_before_anything_is_read_or_lent(path: str) -> None:
    @Controller()
    class Private:
        @Post("/asked")
        async def asked(self, user: User, body: Text) -> str:
            return body.text

        @Authenticated
        @Post("/guarded")
        async def guarded(self, connection: Connection, body: Text) -> str:
            return body.text

    pool = Pool()
    providers = [Provider(Pool, value=pool), connect, Repository]
    app = bootstrap(
        [Module("private", controllers=[Private], providers=providers)],
        [session(SECRET, save_uninitialized=False), authentication(load_user)],
    )
    answer = await ask(app, path, method="POST", json={"text": "hello"})
    assert (answer.status, answer.read, pool.ever) == (401, 0, 0)
