"""Which coding a client is given, and that what is encoded can be decoded."""

from __future__ import annotations

import zlib

import pytest

from kick.http.request.content_codings import zstd_module
from kick.middleware.compression.encodings import CODINGS, preferred
from tests.support.costs import assert_costs_at_most

zstd = zstd_module()

BOTH = (b"zstd", b"gzip")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=1, zstd;q=0.9", "gzip"),
        ("gzip ; Q=0.5 , zstd ; q=0.501", "zstd"),
        ("*", "zstd"),
        ("*;q=0.1", "zstd"),
        ("zstd;q=0, *", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("*;q=0", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("", None),
        ("br", None),
        ("gzip;q=2", None),
        ("gzip;q=-1", None),
        ("gzip;q=1.001", None),
        ("gzip;q=0.5.5", None),
        ("gzip;q=nan", None),
        ("gzip;q=", None),
        ("gzip;level=9", None),
        ("gzipped", None),
        (";;;,,,q=1;gzip", None),
        ("gzip;q=0.5, \x00\xff", "gzip"),
    ],
)
def test_quality_decides_and_then_the_order_of_the_server(accepted: str, coding: str | None) -> None:
    found = preferred(accepted.encode("latin-1"), BOTH)
    assert found == (coding.encode() if coding else None)


@pytest.mark.slow
@pytest.mark.parametrize("unit", [b"gzip,", b";", b",", b"gzip;q=0.", b" \t", b"q=0" * 3])
def test_a_header_takes_time_in_proportion_to_its_length(unit: bytes) -> None:
    long, short = unit * 100_000, unit * 12_500
    assert preferred(long, BOTH) is None
    assert_costs_at_most(20, lambda: preferred(long, BOTH), lambda: preferred(short, BOTH))


@pytest.mark.parametrize("coding", CODINGS)
def test_each_piece_can_be_read_when_it_is_there(coding: bytes) -> None:
    encoder = CODINGS[coding][0](3)
    decoder = zlib.decompressobj(31) if coding == b"gzip" else zstd.ZstdDecompressor()
    for chunk in (b"first ", b"", b"second " * 5000, b"third"):
        assert decoder.decompress(encoder.piece(chunk)) == chunk
    assert decoder.decompress(encoder.end()) == b""
    assert decoder.eof


@pytest.mark.parametrize("coding", CODINGS)
def test_a_whole_body_can_be_read(coding: bytes) -> None:
    body = b"text " * 10_000
    encoded = CODINGS[coding][1](body, 3)
    assert len(encoded) < 500
    assert (zlib.decompress(encoded, 31) if coding == b"gzip" else zstd.decompress(encoded)) == body
