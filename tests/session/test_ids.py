"""Session ids, claims, and the markers that lead from an old id to a new one."""

from __future__ import annotations

import pytest

from kick.session import CookieOptions
from kick.session.cookie import SessionCookie
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
from kick.signing import Signer
from tests.session.harness import SECRET

FORMER = f"{SECRET}, and the one before"
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
    def claim(self, session_id: str = OLD, *, name: str = "kick.sid", secret: str = SECRET) -> Claim:
        """Return the claim of a cookie that is read without a cache."""
        reader = SessionCookie("kick.sid", Signer([SECRET, FORMER]), CookieOptions(replaces=["old.sid"]))
        cookie = f"{name}=s:{Signer(secret).sign(session_id)}"
        (claim,) = reader.read([(b"cookie", cookie.encode())])
        return claim

    def test_those_with_the_same_values_are_equal(self) -> None:
        claim = self.claim()
        assert claim == self.claim()
        assert len({claim, self.claim(), self.claim(secret=FORMER)}) == 2
        others: list[object] = [self.claim(generate_id()), self.claim(secret=FORMER), self.claim(name="old.sid"), OLD]
        assert claim not in others

    def test_one_shows_no_id(self) -> None:
        assert repr(self.claim()) == "<Claim AR_CmU45>"
