"""Ports of the loopback interface.

A server of ours is given a socket that is bound already (`bound_socket`): no other process can come between. A
server that insists on binding by itself gets a number from `free_port`: not from the range that the kernel hands
to outgoing connections, and claimed until this process ends, so that no other test process on this machine is given
the same. The claim is a UDP socket on the port, which the servers of the tests, all of them TCP, do not notice.
"""

import atexit
import random
import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
RANGE = range(15_000, 22_000)

_chance = random.SystemRandom()
_claims = ExitStack()
atexit.register(_claims.close)


def bound_socket() -> socket.socket:
    """A TCP socket that is bound to a free port and does not listen yet."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((HOST, 0))
    return sock


def free_port(*, companion: int | None = None) -> int:
    """A port that nobody listens on; with `companion`, the port that much higher is free too."""
    for _ in RANGE:
        port = _chance.choice(RANGE)
        if _claim([port] if companion is None else [port, port + companion]):
            return port
    raise RuntimeError(f"no free port from {RANGE.start} to {RANGE.stop}")


def _claim(ports: list[int]) -> bool:
    with ExitStack() as claims, ExitStack() as trials:
        try:
            for port in ports:
                claims.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((HOST, port))
                trials.enter_context(socket.socket()).bind((HOST, port))
        except OSError:
            return False
        _claims.push(claims.pop_all())
        return True
