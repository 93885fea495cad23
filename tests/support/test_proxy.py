"""The proxy that cuts, delays and holds connections."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.ports import HOST, bound_socket
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it receives."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while piece := connection.recv(1000):
                connection.sendall(piece)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with bound_socket() as listener:
        listener.listen()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=30)


def test_it_forwards_in_both_directions(proxy: Proxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"tea")
        assert client.recv(10) == b"tea"


def test_a_cut_resets_connections_and_new_ones_are_accepted(proxy: Proxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"tea")
        client.recv(10)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(10)
    with connected(proxy) as client:
        client.sendall(b"more")
        assert client.recv(10) == b"more"


def test_what_is_held_arrives_after_the_release(proxy: Proxy) -> None:
    with connected(proxy) as client:
        proxy.hold()
        client.sendall(b"tea")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)
        proxy.release()
        client.settimeout(30)
        assert client.recv(10) == b"tea"


def test_a_delay_is_for_each_direction(proxy: Proxy) -> None:
    with connected(proxy) as client:
        proxy.delay(0.1)
        began = time.monotonic()
        client.sendall(b"tea")
        assert client.recv(10) == b"tea"
        assert time.monotonic() - began >= 0.2


def test_without_the_server_a_connection_ends() -> None:
    with bound_socket() as nobody, Proxy(nobody.getsockname()[1]) as proxy, connected(proxy) as client:
        wait_until(lambda: _ended(client), "the end of the connection")


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(10) == b""
    except ConnectionResetError:
        return True
