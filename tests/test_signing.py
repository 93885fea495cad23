"""Signing short texts: who can make them, who can read them, and what is refused."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick.errors import KickError
from kick.http import cookie_parser
from kick.signing import SIGNATURE_LENGTH, Signer, secret_problems, secrets_of
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
OLD = "the secret that it takes over from"

texts = st.text(st.characters(exclude_categories=["Cs"]))


def npm_sign(value: str, secret: str) -> str:
    """What `sign` of the npm package cookie-signature gives: base64 of an HMAC-SHA256, without padding."""
    digest = hmac.new(secret.encode(), value.encode(), hashlib.sha256).digest()
    return f"{value}.{base64.b64encode(digest).decode().rstrip('=')}"


@settings(deadline=None)
@given(texts, st.text(min_size=1).filter(lambda text: text[0] < "\ud800"))
def test_what_is_signed_verifies_and_has_the_form_of_the_npm_package(text: str, secret: str) -> None:
    try:
        signer = Signer(secret)
    except UnicodeEncodeError:
        return
    signed = signer.sign(text)
    assert signer.verify(signed) == (text, True)
    value, _, signature = npm_sign(text, secret).rpartition(".")
    assert signed == f"{value}.{signature.replace('+', '-').replace('/', '_')}"


@settings(deadline=None)
@given(texts)
def test_what_the_npm_package_signed_is_read(text: str) -> None:
    assert Signer(SECRET).verify(npm_sign(text, SECRET)) == (text, True)


@settings(deadline=None)
@given(st.text())
def test_no_text_at_all_raises_or_is_taken(text: str) -> None:
    assert Signer(SECRET).verify(text) is None
    assert Signer(SECRET).verify(f"{text}.{'A' * SIGNATURE_LENGTH}") is None


@settings(deadline=None)
@given(texts, st.integers(min_value=0), st.characters(exclude_categories=["Cs"]))
def test_one_changed_character_is_enough(text: str, at: int, other: str) -> None:
    signed = Signer(SECRET).sign(text)
    at %= len(signed)
    changed = signed[:at] + other + signed[at + 1 :]
    same = changed.translate(str.maketrans("+/", "-_")) == signed.translate(str.maketrans("+/", "-_"))
    assert same or Signer(SECRET).verify(changed) is None


def test_the_first_secret_signs_and_all_verify() -> None:
    signer = Signer([SECRET, OLD])
    assert signer.sign("a") == Signer(SECRET).sign("a")
    assert signer.verify(Signer(OLD).sign("a")) == ("a", False)
    assert Signer(SECRET).verify(Signer(OLD).sign("a")) is None


def test_a_secret_may_be_text_or_bytes_of_any_length() -> None:
    for secret in ("x" * 32, b"x" * 32, "x" * 200, "ü" * 40):
        assert Signer(secret).verify(Signer(secret).sign("a")) == ("a", True)
    assert Signer("x" * 32).sign("a") == Signer(b"x" * 32).sign("a")
    assert secrets_of(["a", b"b"]) == (b"a", b"b")


@pytest.mark.parametrize("secret", [None, "", b"", [], [""], [SECRET, ""], 7, [7]])
def test_a_secret_that_is_none_is_missing(secret: object) -> None:
    (problem,) = secret_problems(secret, "session()")  # type: ignore[arg-type]
    assert problem.code == "secret-missing"
    assert "session()" in problem.cause


def test_a_short_secret_stops_the_start_in_production_and_is_warned_of_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.warns(UserWarning, match="31 bytes") as caught:
        cookie_parser(secret="x" * 31)
    assert caught[0].filename == __file__
    monkeypatch.setenv("KICK_ENV", "production")
    with raises_code("secret-weak", match="7 bytes"):
        cookie_parser(secret=["x" * 32, "x" * 7])
    assert secret_problems("x" * 32, "session()") == []


@pytest.mark.parametrize("environment", [None, "", "staging", "prod"])
def test_an_environment_that_nobody_knows_is_production(
    monkeypatch: pytest.MonkeyPatch, environment: str | None
) -> None:
    monkeypatch.delenv("KICK_ENV")
    if environment is not None:
        monkeypatch.setenv("KICK_ENV", environment)
    with raises_code("secret-weak", match="7 bytes"):
        cookie_parser(secret="x" * 7)


def test_the_secret_itself_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    with pytest.raises(KickError) as caught:
        cookie_parser(secret="hunter2")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Signer("hunter2"))
