"""The protocol of Redis, and how sessions are written down in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick.session.stores.base import Superseded
from kick.session.stores.redis.client.protocol import UNFINISHED, Refusal, new_reader, pack
from kick.session.stores.redis.records import FACTS, LEADS_NOWHERE, LEADS_TO, milliseconds, record_of

ANSWERS = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.binary(max_size=20)
    | st.text(st.characters(exclude_characters="\r\n", codec="ascii"), max_size=10).map(Refusal),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)


def sent(answer: object) -> bytes:
    match answer:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % answer
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(answer), answer)
        case Refusal():
            return f"-{answer}\r\n".encode()
        case list():
            return b"*%d\r\n" % len(answer) + b"".join(map(sent, answer))
        case _:
            raise TypeError(answer)


def plain(answer: object) -> object:
    if isinstance(answer, Refusal):
        return ("refused", str(answer))
    return list(map(plain, answer)) if isinstance(answer, list) else answer


@settings(deadline=None)
@given(st.lists(ANSWERS, max_size=5), st.data())
def test_answers_come_out_as_they_went_in_wherever_they_are_cut(answers: list[object], data: st.DataObject) -> None:
    stream = b"".join(map(sent, answers))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = new_reader()
    got: list[object] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        while (answer := reader.gets()) is not UNFINISHED:
            got.append(plain(answer))
    assert got == list(map(plain, answers))


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400\r\n", b"$x\r\n", b"*1\r\n!\r\n", b"\r\n"])
def test_what_is_no_answer_is_refused(nonsense: bytes) -> None:
    reader = new_reader()
    reader.feed(nonsense)
    with pytest.raises(ValueError, match=r"."):
        reader.gets()


@settings(deadline=None)
@given(st.lists(st.binary(), min_size=1))
def test_a_packed_command_is_read_as_its_words(words: list[bytes]) -> None:
    reader = new_reader()
    reader.feed(pack(*words))
    assert reader.gets() == words
    assert reader.gets() is UNFINISHED


@settings(deadline=None)
@given(st.none() | st.binary())
def test_a_mark_leads_where_it_was_told_to(successor: bytes | None) -> None:
    mark = LEADS_NOWHERE if successor is None else LEADS_TO + successor
    assert record_of([FACTS, mark]) == Superseded(successor)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, b"0"), (-1, b"0"), (0.0004, b"1"), (0.0016, b"2"), (60, b"60000"), (1e300, b"%d" % 2**52)],
)
def test_ages_are_written_in_whole_milliseconds(seconds: float, written: bytes) -> None:
    assert milliseconds(seconds) == written
