"""kill -9 of the application, of its server, and of both, while clients write: what was answered is there afterwards.

Each client is a browser that writes, logs in anew, rotates, logs out and begins again, and notes what it was answered.
A request without an answer may have been carried out or not; only then may more be there than the client knows of.

With `appendfsync everysec` Redis answers first and has it on the disk a second or two later. That window is what a
power cut may cost, and nothing before it; a power cut is played by cutting the file off where it was at some moment.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.session.harness import SECRET, Browser, Site
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.resp import ReplyError
from tests.support.serving import ServedProcess, serve_process
from tests.support.waiting import wait_until

CLIENTS = 4
KILLS = 2
ANSWERS = 150
"""How many changes are to be answered before each kill, and after the last one."""

APP = """
import os
from typing import Any

from kick import Controller, Module, Post, RequestContext, bootstrap
from kick.session import session


@Controller("")
class Pages:
    @Post("/write/{principal}/{turn}")
    async def write(self, ctx: RequestContext, principal: str, turn: int) -> Any:
        ctx.session.principal = principal
        ctx.session.data["turn"] = turn
        return {"count": await ctx.session.increment("count")}

    @Post("/regenerate")
    async def regenerate(self, ctx: RequestContext) -> Any:
        await ctx.session.regenerate()
        return {}

    @Post("/rotate")
    async def rotate(self, ctx: RequestContext) -> Any:
        await ctx.session.rotate()
        return {}

    @Post("/destroy")
    async def destroy(self, ctx: RequestContext) -> Any:
        await ctx.session.destroy()
        return {}


layer = session(os.environ["SECRET"], store=os.environ["STORE"], save_uninitialized=False)
app = bootstrap([Module("pages", controllers=[Pages])], [layer])
"""


class Known(msgspec.Struct):
    """What a client knows of one of its sessions."""

    principal: str
    cookie: str | None = None
    turn: int = -1
    count: int = 0
    ended: bool = False
    """Whether a logout was answered."""
    doubt: str | None = None
    """The last request, if it had no answer and the client cannot know under which id the session goes on."""


class Client(threading.Thread):
    """Writes until it is told to stop, whatever becomes of the other side."""

    def __init__(self, name: str, server: Callable[[], ServedProcess]) -> None:
        super().__init__(name=name, daemon=True)
        self.server = server
        self.stopping = threading.Event()
        self.answers = 0
        self.refusals = 0
        self.mistakes: list[str] = []
        self.sessions: list[Known] = []

    def run(self) -> None:
        for number in itertools.count():
            known = Known(f"{self.name}.{number}")
            self.sessions.append(known)
            for turn in range(25):
                self._write(known, turn)
                if turn % 8 == 7 and known.doubt is None:
                    self._change_id(known, "rotate" if turn % 3 == 0 else "regenerate")
                if self.stopping.is_set():
                    return
                if known.doubt is not None:
                    break
            else:
                if number % 2:
                    self._log_out(known)

    def _write(self, known: Known, turn: int) -> None:
        answer = self._post(f"/write/{known.principal}/{turn}", known)
        if answer is not None:
            if answer["count"] <= known.count:
                self.mistakes.append(f"{answer} after {known}")
            known.turn, known.count = turn, answer["count"]
        elif known.cookie is None:
            known.doubt = "write"

    def _change_id(self, known: Known, how: str) -> None:
        # An old id leads to the one that rotate() drew; to the one that regenerate() drew, nothing leads.
        if self._post(f"/{how}", known) is None and how == "regenerate":
            known.doubt = how

    def _log_out(self, known: Known) -> None:
        before = known.cookie
        if self._post("/destroy", known) is None:
            known.doubt = "destroy"
        else:
            known.ended, known.cookie = True, before

    def _post(self, path: str, known: Known) -> Any:
        """What was answered; `None` for a refusal or no answer at all."""
        headers = {} if known.cookie is None else {"Cookie": f"kick.sid={known.cookie}"}
        connection = http.client.HTTPConnection(urlsplit(self.server().url).netloc, timeout=60)
        try:
            connection.request("POST", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self.stopping.wait(0.01)
            return None
        finally:
            connection.close()
        cookie = answer.headers.get("set-cookie")
        if cookie is not None:  # a 503 has one too, if the session was begun before the store went away
            known.cookie = cookie.partition("=")[2].partition(";")[0] or None
        if answer.status == 200:
            self.answers += 1
            return json.loads(body)
        self._refused(answer, body)
        return None

    def _refused(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        self.refusals += 1
        is_problem = answer.headers["content-type"] == "application/problem+json"
        tells = any(word in body for word in (b"Traceback", b"Error", b"127.0.0.1"))
        if answer.status != 503 or not is_problem or not answer.headers["retry-after"] or tells:
            self.mistakes.append(f"{answer.status} {answer.headers.items()} {body!r}")
        self.stopping.wait(0.01)


class Chronicler(Client):
    """A client that remembers when it knew what."""

    def __init__(self, name: str, server: Callable[[], ServedProcess]) -> None:
        super().__init__(name, server)
        self.history: list[tuple[float, Known]] = []

    def _post(self, path: str, known: Known) -> Any:
        self._note(known)  # what the answer before it said
        return super()._post(path, known)

    def _log_out(self, known: Known) -> None:
        super()._log_out(known)
        self._note(known)

    def _note(self, known: Known) -> None:
        self.history.append((time.monotonic(), copy(known)))

    def known_at(self, moment: float) -> list[tuple[Known, Known]]:
        """Each session as the client knew it then, and as it knows it now."""
        then = {known.principal: known for at, known in self.history if at < moment and known.turn >= 0}
        now = {known.principal: known for known in self.sessions}
        return [(known, now[principal]) for principal, known in then.items()]


class Scene:
    """An application in a process of its own, where it keeps its sessions, and clients that write."""

    def __init__(self, store: str, folder: Path, stack: ExitStack, clients: type[Client] = Client) -> None:
        self.store = store
        self._folder = folder
        self._stack = stack
        self._logs = (folder / f"server{number}.log" for number in itertools.count())
        (folder / "crashing.py").write_text(APP)
        self.serve()
        self.clients: Sequence[Client] = [clients(f"client{number}", lambda: self.server) for number in range(CLIENTS)]
        for client in self.clients:
            client.start()

    def serve(self) -> None:
        """Start the application, at another address each time."""
        env = {"STORE": self.store, "SECRET": SECRET}
        served = serve_process("crashing:app", cwd=self._folder, env=env, log=next(self._logs))
        self.server: ServedProcess = self._stack.enter_context(served)

    def kill(self) -> None:
        self.server.kill()

    def wait_for_answers(self) -> None:
        """Return when every client has had so many more answers."""
        before = [client.answers for client in self.clients]

        def all_answered() -> bool:
            now = [client.answers for client in self.clients]
            return all(each >= old + ANSWERS // CLIENTS for each, old in zip(now, before, strict=True))

        wait_until(all_answered, "the answers", timeout=60)

    def wait_for_refusals(self) -> None:
        """Return when every client has had one more 503."""
        before = [client.refusals for client in self.clients]
        wait_until(
            lambda: all(client.refusals > old for client, old in zip(self.clients, before, strict=True)), "the 503"
        )

    def stop(self) -> None:
        for client in self.clients:
            client.stopping.set()
        for client in self.clients:
            client.join(60)

    async def check(self) -> None:
        """Hold what is in the store against what the clients were told."""
        site = Site(self.store, store_timeout=10)
        assert [client.mistakes for client in self.clients] == [[]] * CLIENTS
        checked = 0
        for known in (known for client in self.clients for known in client.sessions if known.turn >= 0):
            await check(site, known)
            checked += 1
        await site.store.aclose()
        assert checked >= CLIENTS * KILLS
        assert "Traceback" not in self.server.output


async def stored_of(site: Site, principal: str) -> list[Any]:
    """Return the records of a principal, with all their values."""
    return [await site.store.load(key) for key, _ in await site.store.find(principal)]


async def check(site: Site, known: Known) -> None:
    stored = await stored_of(site, known.principal)
    data = await Browser(site, known.cookie).data()
    if known.ended:
        assert (stored, data) == ([], {})
        return
    if known.doubt == "destroy" and not stored:
        return
    (record,) = stored
    assert int(record.fields["turn"]) >= known.turn
    assert int(record.fields["count"]) >= known.count
    if known.doubt is None:
        assert data.keys() == {"turn", "count"}, "the last cookie still leads there"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class DurableRedis(RedisServer):
    """A Redis that writes changes to the disk: before it answers, or (`everysec`) once a second."""

    def __init__(self, directory: Path, *, appendfsync: str = "always") -> None:
        super().__init__(directory, config=("--appendonly", "yes", "--appendfsync", appendfsync))

    def written(self) -> tuple[float, int]:
        """A moment, and how long the file was when it had all that was answered before."""
        moment = time.monotonic()
        wait_until(lambda: self.info("persistence")["aof_buffer_length"] == "0", "the file")
        return moment, self._file.stat().st_size

    def cut(self, size: int) -> None:
        """Lose what was written later, as in a power cut."""
        with self._file.open("r+b") as file:
            file.truncate(size)

    @property
    def _file(self) -> Path:
        of_redis_6 = self.directory / "appendonly.aof"
        return next(self.directory.glob("appendonlydir/*.incr.aof"), of_redis_6)

    def _answers(self) -> bool:
        try:
            return super()._answers()
        except ReplyError:  # it is reading what it has on the disk
            return False


class Durable(NamedTuple):
    """A server that writes a change to the disk before it answers, and the URL of a store on it."""

    server: DurableRedis | PostgresServer
    store: str


def durable_redis(folder: Path, stack: ExitStack) -> Durable:
    server = stack.enter_context(DurableRedis(folder / "redis"))
    return Durable(server, server.url)


@pytest.fixture(params=["redis", "postgres"])
def durable(request: pytest.FixtureRequest, tmp_path: Path, stack: ExitStack) -> Durable:
    if request.param == "redis":
        return durable_redis(tmp_path, stack)
    server = stack.enter_context(PostgresServer(request.getfixturevalue("postgres_data"), config=()))
    return Durable(server, server.store_url(migrate="yes"))


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis"])
async def test_what_an_application_answered_is_there_after_it_was_killed(
    request: pytest.FixtureRequest, tmp_path: Path, stack: ExitStack, kind: str
) -> None:
    match kind:
        case "sqlite":
            url = f"sqlite:///{tmp_path}/sessions.db"
        case "postgres":
            url = f"{request.getfixturevalue('postgres_url')}&migrate=yes"
        case _:
            url = durable_redis(tmp_path, stack).store
    scene = Scene(url, tmp_path, stack)
    for _ in range(KILLS):
        scene.wait_for_answers()
        scene.kill()
        scene.serve()
    scene.wait_for_answers()
    scene.stop()
    await scene.check()


async def test_what_was_answered_is_there_after_the_server_was_killed_and_the_application_recovers(
    tmp_path: Path, stack: ExitStack, durable: Durable
) -> None:
    scene = Scene(durable.store, tmp_path, stack)
    for _ in range(KILLS):
        scene.wait_for_answers()
        durable.server.kill()
        scene.wait_for_refusals()
        durable.server.start()
    scene.wait_for_answers()
    scene.stop()
    await scene.check()


async def test_what_was_answered_is_there_after_both_were_killed(
    tmp_path: Path, stack: ExitStack, durable: Durable
) -> None:
    scene = Scene(durable.store, tmp_path, stack)
    for _ in range(KILLS):
        scene.wait_for_answers()
        durable.server.kill()
        scene.kill()
        durable.server.start()
        scene.serve()
    scene.wait_for_answers()
    scene.stop()
    await scene.check()


@pytest.mark.parametrize("cut_off", [False, True], ids=["the process is killed", "the power is cut"])
async def test_with_everysec_no_more_than_the_last_seconds_are_lost(
    tmp_path: Path, stack: ExitStack, cut_off: bool
) -> None:
    server = stack.enter_context(DurableRedis(tmp_path / "redis", appendfsync="everysec"))
    scene = Scene(server.url, tmp_path, stack, Chronicler)
    scene.wait_for_answers()
    moment, size = server.written()
    scene.wait_for_answers()
    wait_until(lambda: time.monotonic() > moment + 1, "the second that may be lost")
    server.kill()
    scene.wait_for_refusals()
    scene.stop()
    if cut_off:
        server.cut(size + 40)  # in the middle of a command
    server.start()
    assert [client.mistakes for client in scene.clients] == [[]] * CLIENTS
    await check_what_was_known(scene, moment)

    recovered = Client("recovered", lambda: scene.server)
    scene.clients = [recovered]
    recovered.start()
    scene.wait_for_answers()
    scene.stop()
    assert (recovered.mistakes, recovered.refusals) == ([], 0)
    assert "Traceback" not in scene.server.output


async def check_what_was_known(scene: Scene, moment: float) -> None:
    """Hold what is in the store against what the clients knew at that moment."""
    site = Site(scene.store, store_timeout=10)
    checked = 0
    for client in scene.clients:
        assert isinstance(client, Chronicler)
        for then, now in client.known_at(moment):
            stored = await stored_of(site, then.principal)
            if then.ended:
                assert (stored, await Browser(site, then.cookie).data()) == ([], {})
            elif stored or not (now.ended or now.doubt == "destroy"):
                (record,) = stored
                assert int(record.fields["turn"]) >= then.turn
                assert int(record.fields["count"]) >= then.count
            checked += 1
    await site.store.aclose()
    assert checked >= CLIENTS
