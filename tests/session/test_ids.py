"""Session ids, claims, and the markers that lead from an old id to a new one."""

from __future__ import annotations

import pytest

from kick.session.ids import (
    Claim,
    forward_to_id,
    forward_to_key,
    generate_id,
    generate_successor,
    is_well_formed,
    key_of,
    successor_id,
    successor_key,
)

OLD = "abcdefghijklmnopqrstuvwxyz0123456789"


class TestMarkers:
    @pytest.mark.parametrize("old", [OLD, "0b7c1c4e-9a53-4a1c-8f5e-0a8e3c1d2b4f", "a" * 20, "b" * 128])
    def test_after_a_rotation_it_leads_to_the_new_id_for_whoever_has_the_old_one(self, old: str) -> None:
        new = generate_successor(old)
        marker = forward_to_id(new, old)
        assert successor_id(marker, old) == new
        assert successor_key(marker) == key_of(new)
        assert successor_id(marker, generate_id()) != new

    def test_after_a_regenerate_it_leads_to_the_key_alone(self) -> None:
        marker = forward_to_key(key_of(generate_successor(OLD)))
        assert successor_id(marker, OLD) is None
        assert successor_key(marker) == marker.decode()

    def test_without_one_there_is_no_successor(self) -> None:
        assert (successor_id(None, OLD), successor_key(None), successor_key(b"")) == (None, None, None)

    @pytest.mark.parametrize("length", range(50, 84))
    def test_one_that_was_cut_off_leads_to_no_id_of_another_form(self, length: int) -> None:
        marker = forward_to_id(generate_successor(OLD), OLD)
        found = successor_id(marker[:length], OLD)
        assert found is None or is_well_formed(found)

    @pytest.mark.parametrize("added", [b"x", bytes(200), bytes(range(256))])
    def test_one_with_something_added_raises_nothing(self, added: bytes) -> None:
        marker = forward_to_id(generate_successor(OLD), OLD) + added
        found = successor_id(marker, OLD)
        assert found is None or is_well_formed(found)

    @pytest.mark.parametrize("byte", [0x00, 0x80, 0xFF])
    def test_one_that_is_damaged_leads_to_no_id_of_another_form(self, byte: int) -> None:
        marker = forward_to_id(generate_successor(OLD), OLD)
        damaged = marker[:50] + bytes([byte]) * 32
        found = successor_id(damaged, OLD)
        assert found is None or is_well_formed(found)


class TestClaims:
    def test_those_with_the_same_values_are_equal(self) -> None:
        def claim(session_id: str = OLD, *, is_current: bool = True, rank: int = 0) -> Claim:
            return Claim(session_id, key_of(session_id), is_current=is_current, rank=rank)

        assert claim() == claim()
        assert hash(claim()) == hash(claim())
        assert len({claim(), claim(), claim(is_current=False)}) == 2
        assert claim() not in (claim(generate_id()), claim(is_current=False), claim(rank=1), OLD)

    def test_one_shows_no_id(self) -> None:
        assert repr(Claim(OLD, key_of(OLD), is_current=True)) == "<Claim AR_CmU45>"
