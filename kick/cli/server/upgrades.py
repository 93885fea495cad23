"""Requests that ask for another protocol than WebSockets, such as `h2c`: the server goes on with HTTP/1.1.

Java's `HttpClient`, and Spring over it, ask for HTTP/2 in this way with every request. A server may ignore it (RFC
9110, section 7.8), and then the body is that of an ordinary request. But httptools does not read this body, and uvicorn
would take it for the next request: behind a proxy, which has seen one request, a client could write the head of the
next one (request smuggling).
"""

from __future__ import annotations

from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from kick.middleware.framing import drop_upgrade, has_body

_LENGTHS: Final = (b"content-length", b"transfer-encoding")
_feed: Final = HttpRequestParser.feed_data


class UpgradeParser(HttpRequestParser):
    """A parser that reads the bodies of requests whose upgrade is ignored.

    `protocol` is that of uvicorn, and `callbacks` receives what is parsed.
    """

    def __init__(self, protocol: Any, callbacks: Any = None) -> None:
        super().__init__(protocol if callbacks is None else callbacks)
        self.protocol = protocol
        # As uvicorn's own. Otherwise bytes behind a request with `Connection: close` are a 400 instead of its response.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed_data(self, data: Any) -> None:
        """Parse some bytes. Raises `HttpParserUpgrade` for the handshake of a WebSocket, which has no body."""
        try:
            _feed(self, data)
        except HttpParserUpgrade as upgrade:
            protocol = self.protocol
            has_rest = has_body(protocol.headers)
            if protocol.cycle is None or protocol.cycle.scope is not protocol.scope:  # uvicorn takes it for a handshake
                if has_rest:
                    raise HttpParserError("the handshake of a WebSocket has no body") from None
                raise
            drop_upgrade(protocol.headers)
            rest = data[upgrade.args[0] :]
            if has_rest:
                self._read_body(rest)
            elif rest:
                self.feed_data(rest)

    def _read_body(self, rest: bytes) -> None:
        """Go on with a new parser, which has read a head with the length of the request and nothing else."""
        protocol = self.protocol
        lengths = [b"%s: %s\r\n" % header for header in protocol.headers if header[0] in _LENGTHS]
        callbacks = _AfterHead(protocol)
        protocol.parser = UpgradeParser(protocol, callbacks)
        # httptools has said that the request is complete. Nobody has seen this yet.
        protocol.cycle.more_body = True
        protocol.cycle.message_event.clear()
        protocol.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(lengths))
        callbacks.is_after_head = True
        if rest:
            protocol.parser.feed_data(rest)


class _AfterHead:
    """Passes on what is parsed after the first head."""

    def __init__(self, protocol: Any) -> None:
        self.is_after_head = False
        self.on_body = protocol.on_body
        self.on_chunk_header = protocol.on_chunk_header
        self.on_message_complete = protocol.on_message_complete
        self._protocol = protocol

    def on_message_begin(self) -> None:
        if self.is_after_head:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self.is_after_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_after_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.is_after_head:
            self._protocol.on_headers_complete()
