"""Ports of the loopback interface.

A server of ours is given a socket that is bound already (`bound_socket`): no other process can come between. A
server that insists on binding by itself gets a number from `free_port`: not from the range that the kernel hands
to outgoing connections, and never the same twice in a run.
"""

import random
import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
RANGE = range(15_000, 22_000)

_chance = random.SystemRandom()
_given: set[int] = set()


def bound_socket() -> socket.socket:
    """A TCP socket that is bound to a free port and does not listen yet."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((HOST, 0))
    return sock


def free_port(*, companion: int | None = None) -> int:
    """A port that nobody listens on; with `companion`, the port that much higher is free too."""
    for _ in RANGE:
        port = _chance.choice(RANGE)
        wanted = {port} if companion is None else {port, port + companion}
        if not wanted & _given and _can_bind(wanted):
            _given.update(wanted)
            return port
    raise RuntimeError(f"no free port from {RANGE.start} to {RANGE.stop}")


def _can_bind(ports: set[int]) -> bool:
    with ExitStack() as sockets:
        try:
            for port in ports:
                sockets.enter_context(socket.socket()).bind((HOST, port))
        except OSError:
            return False
    return True
