"""A URL that cannot be read is an error without the password in it."""

import traceback

import pytest

from kick.errors import KickError
from kick.middleware import rate_limit
from kick.session import session

SECRET = "a secret of at least thirty-two bytes"
BROKEN = [
    "redis://user:hunter2@host:99999/0",
    "redis://:hunter2@[::1",
    "redis://:hunter2@host:port",
    "redis://:hunter2/@host:6379",
    "redis://:hunter2#x@host:1",
    "redis://:hunter2?x@host:1",
    "redis://:p@hunter2@host:x",
    "redis//:hunter2@host",
    "redis:/:hunter2@host",
    ":hunter2@host",
    " redis://:hunter2@host",
    "foo://u:hunter2@host",
    "sqlite://u:hunter2@host/x",
    "memory://u:hunter2@host?x=1",
    "redis+sentinel://:hunter2@host",
    "redis+cluster://:hunter2@host:x",
    "redis://host?password=hunter2&nonsense=1",
    "redis://host:x?PASSWORD=hunter2",
    "redis://:hun%zzter2@host:6379/0?x=1",
]


def text_of(error: BaseException) -> str:
    """The message with the traceback, and what caused it, without the lines of this file."""
    shown = "".join(traceback.format_exception(error))
    return "\n".join(line for line in shown.splitlines() if "store=url" not in line)


@pytest.mark.parametrize("url", BROKEN)
def test_session_does_not_show_it(url: str) -> None:
    with pytest.raises(KickError) as caught:
        session(SECRET, store=url)
    assert not any(each in text_of(caught.value) for each in ("hunter2", "ter2"))


@pytest.mark.parametrize("url", [each for each in BROKEN if "?" not in each])
def test_rate_limit_does_not_show_it(url: str) -> None:
    with pytest.raises(KickError) as caught:
        rate_limit("5/minute", store=url)
    assert "hunter2" not in text_of(caught.value)


def test_rate_limit_refuses_a_url_without_a_port() -> None:
    with pytest.raises(KickError) as caught:
        rate_limit("5/minute", store="redis://:hunter2/@host:6379")
    assert caught.value.code == "rate-limit-option"
