"""The codec for the messages of a socket, by their types."""

from typing import Annotated, Any, Optional, Union

import msgspec
import pytest
from msgspec import Meta
from typing_extensions import TypeAliasType

from kick.http.websocket.messages import InvalidMessage, frames_of

Both = TypeAliasType("Both", Union[str, bytes])  # noqa: UP007  # the older form is tested

Text = TypeAliasType("Text", str)


class Move(msgspec.Struct):
    x: int


class TestTextAndBytes:
    @pytest.mark.parametrize(
        "kind",
        [
            str | bytes,
            Union[bytes, str],  # noqa: UP007  # the older form is tested
            Both,
            Annotated[str | bytes, "what is said"],
            Annotated[str, "text"] | Annotated[bytes, "bytes"],
        ],
        ids=["union", "older", "alias", "annotated", "members"],
    )
    def test_both_are_taken_and_sent_as_they_are(self, kind: Any) -> None:
        frames = frames_of(kind, kind)
        for message in ("text", b"bytes", "", b"", '{"x": 1}', b"\xff"):
            assert frames.decode(message) == message
            assert frames.encode(message) == message

    def test_other_values_are_not_sent(self) -> None:
        with pytest.raises(TypeError, match="not a value of type Move"):
            frames_of(str | bytes, str | bytes).encode(Move(1))


class TestJSONAndBytes:
    @pytest.mark.parametrize("kind", [Move | bytes, bytes | Move | None, Optional[Union[bytes, Move]]])  # noqa: UP007, UP045
    def test_text_is_json_and_bytes_are_bytes(self, kind: Any) -> None:
        frames = frames_of(kind, kind)
        assert frames.decode('{"x": 1}') == Move(1)
        assert frames.decode(b'{"x": 1}') == b'{"x": 1}'
        assert frames.encode(Move(1)) == '{"x":1}'
        assert frames.encode(b"\xff") == b"\xff"

    def test_text_is_validated(self) -> None:
        with pytest.raises(InvalidMessage) as caught:
            frames_of(Move | bytes, Any).decode('{"x": "a"}')
        assert (caught.value.code, caught.value.errors[0]["location"]) == (1007, "/message/x")

    def test_a_text_beside_other_json_is_json(self) -> None:
        frames = frames_of(str | int | bytes, str | int | bytes)
        assert frames.decode('"text"') == "text"
        assert frames.encode("text") == '"text"'
        assert (frames.decode(b"1"), frames.encode(b"1")) == (b"1", b"1")


class TestOneKind:
    @pytest.mark.parametrize("kind", [str, Annotated[str, "text"], Text])
    def test_text_alone_refuses_bytes(self, kind: Any) -> None:
        frames = frames_of(kind, kind)
        assert frames.decode("[1]") == frames.encode("[1]") == "[1]"
        with pytest.raises(InvalidMessage, match="1003: Expected text"):
            frames.decode(b"bytes")

    def test_bytes_alone_refuse_text(self) -> None:
        with pytest.raises(InvalidMessage, match="1003: Expected bytes"):
            frames_of(bytes, bytes).decode("text")

    def test_a_constraint_is_not_passed_over(self) -> None:
        with pytest.raises(InvalidMessage) as caught:
            frames_of(Annotated[str, Meta(max_length=2)], str).decode('"long"')
        assert caught.value.code == 1007

    def test_json_refuses_bytes(self) -> None:
        with pytest.raises(InvalidMessage, match="1003: Expected text"):
            frames_of(Move | None, Any).decode(b"{}")
