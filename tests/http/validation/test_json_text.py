"""JSON texts that other programs write: with a byte order mark, or with half of a surrogate pair."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest
from starlette.datastructures import FormData

from kick.exceptions import BadRequest, UnprocessableEntity
from kick.http.request.body import parse_form
from kick.http.validation.conversion import converter, json_decoder
from kick.http.validation.fields import collector
from kick.http.validation.json_text import decode_json, has_extreme_numbers, is_deep
from tests.support.costs import assert_costs_at_most

MARK = b"\xef\xbb\xbf"
HALF = "one half of a surrogate pair"


class Note(msgspec.Struct):
    title: str


class Model(pydantic.BaseModel):
    title: str


@dataclass
class Dated:
    day: date = date(2026, 1, 1)
    notes: list[Note] = field(default_factory=list)


class Named(TypedDict, total=False):
    count: int | None


class Chart(msgspec.Struct):
    values: list[float]
    step: Decimal = Decimal(1)
    any: Any = None


class Leaf(msgspec.Struct, tag="leaf"):
    value: Any = None


class Not(msgspec.Struct, tag="not"):
    of: "Leaf | Not | And"


class And(msgspec.Struct, tag="and"):
    of: "list[Leaf | Not | And]"


DECODERS = [decode_json, json_decoder(dict[str, str]), json_decoder(Note), json_decoder(Model)]


@pytest.mark.parametrize("decode", DECODERS, ids=["any", "dict", "Struct", "pydantic"])
class TestByteOrderMark:
    def test_it_is_no_part_of_the_body(self, decode: Callable[[bytes], Any]) -> None:
        assert decode(MARK + b'{"title":"t"}') == decode(b'{"title":"t"}')

    @pytest.mark.parametrize(
        "body", [MARK, MARK + MARK[:2] + b"{}", MARK * 2 + b"{}", MARK * 10_000 + b"{}", b"{}" + MARK], ids=len
    )
    def test_anything_else_is_no_json(self, decode: Callable[[bytes], Any], body: bytes) -> None:
        with pytest.raises(BadRequest):
            decode(body)


def test_errors_behind_a_byte_order_mark_have_their_location() -> None:
    with pytest.raises(UnprocessableEntity) as error:
        json_decoder(Note)(MARK + b'{"title":1}')
    assert error.value.extensions["errors"][0]["location"] == "/body/title"


def test_a_byte_order_mark_is_no_part_of_the_first_name_of_a_form() -> None:
    assert parse_form(MARK + b"title=t&b=1")["title"] == "t"


@pytest.mark.parametrize("body", [rb'"\ud800"', rb'{"a":"\uDBFF"}', rb'"\\\ud800"', rb'"\ud800\n"', rb'["\ud800x"]'])
@pytest.mark.parametrize("as_text", [False, True])
def test_half_of_a_pair_is_not_a_truncated_body(body: bytes, *, as_text: bool) -> None:
    decode: Callable[[Any], Any] = json_decoder(Any)
    with pytest.raises(BadRequest, match=HALF):
        decode(body.decode() if as_text else body)


@pytest.mark.parametrize("body", [rb'"\ud800', rb'"\ud83d\ude', rb'"\ud83d\ude00', rb'"\\ud800', rb'"\ud8', b'"abc'])
def test_a_truncated_body_ends_too_early(body: bytes) -> None:
    with pytest.raises(BadRequest, match="it ends too early"):
        decode_json(body)


def many(number: str, size: int = 1 << 17) -> str:
    return f"[{','.join([number] * (size // len(number)))}]"


def reading(decode: Callable[[bytes], Any], body: bytes) -> Callable[[], None]:
    """Return what reads a body, be it valid or not."""

    def run() -> None:
        with suppress(UnprocessableEntity):
            decode(body)

    return run


class TestExtremeNumbers:
    """msgspec reads a number near the limits of a float a hundred times as slowly as others."""

    HINTS = (
        *(list[float], list[float | str], Any, list[Any], dict[str, float], Note, Model),
        *(list[str], list[int | None], set[int], dict[int, int], tuple[int, ...], Leaf | Not | And),
    )

    @pytest.mark.parametrize("number", ["1e308", "9E+307", "1.7976931348623157e308", "5e-324", "-1e0300"])
    @pytest.mark.parametrize("hint", HINTS, ids=str)
    def test_they_cost_little_more_than_others(self, hint: Any, number: str) -> None:
        decode = json_decoder(hint)

        def read(number: str) -> Callable[[], object]:
            return reading(decode, many(number).encode())

        assert_costs_at_most(20, read(number), read("1.5"))

    @pytest.mark.parametrize("hint", [Note, Dated, Named, Leaf | Not | And], ids=str)
    @pytest.mark.parametrize("shape", ['{{"other": {}, "title": "a", "type": "leaf"}}', '{{"a": {0}, "b": [[{0}]]}}'])
    def test_neither_do_those_that_no_field_takes(self, hint: Any, shape: str) -> None:
        decode = json_decoder(hint)

        def read(number: str) -> Callable[[], object]:
            return reading(decode, shape.format(many(number)).encode())

        assert_costs_at_most(20, read("1e308"), read("1.5"))

    def test_a_type_without_floats_is_not_searched_for_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decoders = [json_decoder(hint) for hint in (list[Note], list[int | str | None], dict[str, Dated])]
        others = [json_decoder(hint) for hint in (list[Any], list[dict[str, Any]], dict[str, Chart], list[list])]  # type: ignore[type-arg]
        asked: list[int] = []

        def has_none(text: bytes | str) -> bool:
            asked.append(len(text))
            return False

        monkeypatch.setattr("kick.http.validation.conversion.has_extreme_numbers", has_none)
        for decode in decoders:
            decode(b"%s %s" % (b" " * (1 << 15), b"{}" if decode is decoders[-1] else b"[]"))
        assert asked == []
        for decode in others:
            decode(b"%s %s" % (b" " * (1 << 15), b"{}" if decode is others[2] else b"[]"))
        assert len(asked) == len(others)

    def test_neither_do_those_of_a_message_a_form_and_integer_keys(self) -> None:
        by_key = json_decoder(dict[int, Any])
        fields, values = collector(Chart), converter(Chart, "body")
        of_messages: Callable[[Any], Any] = json_decoder(list[float])

        def read(number: str) -> Callable[[], object]:
            text = many(number)
            keyed = f'{{"1": {text}, "x": {text}}}'.encode()
            form = FormData([("any", text), ("values", number)])

            def run() -> None:
                of_messages(text)
                values(fields(form))
                with pytest.raises(UnprocessableEntity):
                    by_key(keyed)

            return run

        assert_costs_at_most(20, read("1e308"), read("1.5"))

    def test_their_values_and_errors_are_the_same(self) -> None:
        body = f'{{"values": {many("1e308")}, "step": 0.1, "any": [1.5, {{"a": 1e-300}}, 1, true, "1e308"]}}'.encode()
        assert has_extreme_numbers(body)
        chart = json_decoder(Chart)(body)
        assert chart.values == msgspec.json.decode(body)["values"]
        assert (chart.step, chart.any) == (Decimal("0.1"), [1.5, {"a": 1e-300}, 1, True, "1e308"])
        with pytest.raises(UnprocessableEntity) as error:
            json_decoder(Chart)(body.replace(b"1e308]", b'"x"]'))
        (found,) = error.value.extensions["errors"]
        assert found["message"] == "Expected `float`, got `str`"

    @pytest.mark.parametrize("hint", [list[float], Any, list[str], dict[str, Any]], ids=str)
    def test_one_that_is_out_of_range_is_no_number(self, hint: Any) -> None:
        body = many("1e308").replace("1e308]", "1e309]").encode()
        with pytest.raises(BadRequest, match="Number out of range"):
            json_decoder(hint)(body)

    @pytest.mark.parametrize("text", [f'["{"3e308" * 5000}"]', many('"1e308"'), many('"\\"1e308"'), many("1e99")])
    def test_texts_and_other_numbers_are_none(self, text: str) -> None:
        assert not has_extreme_numbers(text)


def nested(depth: int, *, tag_is_last: bool, kind: str = "not", leaf: str = "leaf") -> bytes:
    """Objects within objects, with a long array in the innermost one."""

    def tagged(tag: str, member: str) -> str:
        return f'{{{member}, "type": "{tag}"}}' if tag_is_last else f'{{"type": "{tag}", {member}}}'

    text = tagged(leaf, f'"value": {many("1", 1 << 18)}')
    for _ in range(depth):
        text = tagged(kind, f'"of": {text}' if kind == "not" else f'"of": [{text}]')
    return text.encode()


class TestDepth:
    """msgspec reads an object to its end to find its tag, and then each object within it again."""

    @pytest.mark.parametrize(("kind", "depth", "leaf"), [("not", 97, "leaf"), ("and", 48, "leaf"), ("not", 97, "no")])
    def test_a_tag_at_the_end_costs_little_more_than_one_at_the_beginning(
        self, kind: str, depth: int, leaf: str
    ) -> None:
        decode = json_decoder(Leaf | Not | And)

        def read(*, tag_is_last: bool) -> Callable[[], object]:
            return reading(decode, nested(depth, tag_is_last=tag_is_last, kind=kind, leaf=leaf))

        assert_costs_at_most(6, read(tag_is_last=True), read(tag_is_last=False))

    @pytest.mark.parametrize("as_text", [False, True])
    def test_the_value_is_the_same(self, *, as_text: bool) -> None:
        body = nested(97, tag_is_last=True)
        assert is_deep(body)
        decode: Callable[[Any], Any] = json_decoder(Leaf | Not | And)
        assert decode(body.decode() if as_text else body) == msgspec.json.decode(body, type=Leaf | Not | And)

    def test_brackets_in_texts_hide_no_depth(self) -> None:
        assert is_deep(b'["' + b"]" * 1000 + b'", ' + nested(97, tag_is_last=True) + b"]")
        assert not is_deep(b'["' + b"[" * 100_000 + b'"]')

    def test_a_long_chain_is_not_deep_enough(self) -> None:
        text = '{"type": "leaf"}'
        for _ in range(300):
            text = f'{{"type": "and", "of": [{text}, {{"type": "leaf", "value": "text"}}]}}'
        assert not is_deep(text)
