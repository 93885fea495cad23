"""Section 1 of the contract: every option, and what is refused."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kick.errors import KickError, SetupErrors
from kick.session import CookieOptions, MemoryStore, session
from kick.session.options import check_options
from kick.session.stores.custom import BasicStore
from kick.session.stores.url import open_store
from tests.session.harness import SECRET, Browser, Site, setting


def options(**given: Any) -> Any:
    return session(SECRET, **given).manager.options


def test_the_defaults_are_those_of_the_contract() -> None:
    made = options()
    assert made.max_age == 86_400
    assert made.absolute_max_age == 30 * 86_400
    assert made.remember_max_age == 30 * 86_400
    assert made.rolling is False
    assert made.save_uninitialized is True
    assert made.rotate_after is None
    assert made.on_store_error == "error"
    assert made.store_timeout == 1.0
    assert made.cookie.name == "kick.sid"
    assert made.cookie.issue("i" * 36, 1).decode().endswith("; Max-Age=1; Path=/; HttpOnly; SameSite=Lax")
    assert isinstance(session(SECRET).manager.store, MemoryStore)


def test_every_session_has_a_deadline_of_thirty_days_unless_told_otherwise() -> None:
    assert options(rolling=True).absolute_max_age == 30 * 86_400
    assert options(max_age=timedelta(days=90)).absolute_max_age == 90 * 86_400
    assert options(remember_max_age=timedelta(days=60)).absolute_max_age == 60 * 86_400
    assert (
        options(remember_max_age=timedelta(days=60), absolute_max_age=timedelta(days=45)).absolute_max_age
        == 45 * 86_400
    )
    assert options(max_age=timedelta(days=90), absolute_max_age=timedelta(days=45)).absolute_max_age == 45 * 86_400
    assert options(absolute_max_age=None).absolute_max_age is None


def test_the_defaults_are_written_twice_and_equal() -> None:
    """`session()` shows them to its readers, and `SessionMiddleware` takes them from `check_options`."""
    shown, used = (inspect.signature(each).parameters for each in (session, check_options))
    assert {name: used[name].default for name in used if name != "secret"} == {
        name: each.default for name, each in shown.items() if name not in ("secret", "store")
    }


@pytest.mark.parametrize("max_age", [timedelta(minutes=5), 300, 300.0])
def test_durations_are_timedeltas_or_seconds(max_age: Any) -> None:
    assert options(max_age=max_age).max_age == 300


def test_cookie_options_can_be_a_mapping_or_an_object() -> None:
    as_mapping = options(cookie={"secure": True, "same_site": "strict"}).cookie
    as_object = options(cookie=CookieOptions(secure=True, same_site="strict")).cookie
    assert as_mapping.issue("i" * 36, 1) == as_object.issue("i" * 36, 1)


@pytest.mark.parametrize(
    ("environment", "secure"),
    [
        ("production", True),
        ("development", False),
        ("test", False),
        (" Test ", False),
        (None, True),
        ("", True),
        ("staging", True),
        ("dev", True),
        ("testing", True),
    ],
)
def test_secure_follows_the_environment(monkeypatch: pytest.MonkeyPatch, environment: str | None, secure: bool) -> None:
    monkeypatch.delenv("KICK_ENV", raising=False)
    if environment is not None:
        monkeypatch.setenv("KICK_ENV", environment)
    assert (b"Secure" in options().cookie.issue("i" * 36, 1)) is secure


@pytest.mark.parametrize("secret", [None, "", b"", [], [""], ["x" * 32, ""], 5, [None]])
def test_no_secret_is_refused(secret: Any) -> None:
    with pytest.raises(KickError) as caught:
        session(secret)
    assert caught.value.code == "secret-missing"


def test_a_short_secret_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    with pytest.raises(KickError) as caught:
        session("x" * 31)
    assert caught.value.code == "secret-weak"
    session("x" * 32)


def test_a_short_secret_is_warned_of_in_development() -> None:
    with pytest.warns(UserWarning, match="31 bytes"):
        session("x" * 31)


class TestShortSecretsOfBefore:
    """Express takes secrets of any length; whoever moves in keeps them behind a long one."""

    OLD = "keyboard cat"

    @pytest.mark.parametrize("environment", ["production", "development"])
    async def test_a_cookie_that_one_signed_is_taken_and_signed_again(
        self, store: Any, environment: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.warns(UserWarning, match="12 bytes"):
            browser = Browser(Site(store, secret=self.OLD))
        await browser.visit(setting(user_id=7))
        monkeypatch.setenv("KICK_ENV", environment)
        with pytest.warns(UserWarning, match="12 bytes"):
            browser = browser.twin(Site(store, secret=[SECRET, self.OLD]))
        before = browser.cookie
        assert await browser.data() == {"user_id": 7}
        assert before != browser.cookie
        assert await browser.twin(Site(store)).data() == {"user_id": 7}

    @pytest.mark.parametrize(
        "secret", [OLD, [OLD], [OLD, SECRET], ["x" * 31, SECRET], [SECRET, ""], [SECRET, OLD, b""]], ids=repr
    )
    def test_the_first_is_long_and_none_is_empty(self, secret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KICK_ENV", "production")
        with pytest.raises(KickError) as caught:
            session(secret)
        assert caught.value.code == ("secret-missing" if {"", b""} & set(secret) else "secret-weak")


@pytest.mark.parametrize(
    ("name", "cookie", "cause"),
    [
        ("kick.sid", {"same_site": "none"}, "same_site='none'"),
        ("kick.sid", {"partitioned": True}, "partitioned=True"),
        ("__Secure-sid", {}, "__secure-"),
        ("__Host-sid", {}, "__host-"),
        ("__host-sid", {}, "__host-"),
        ("__Host-sid", {"secure": True, "path": "/app"}, "prefix"),
        ("__Host-sid", {"secure": True, "domain": "example.com"}, "prefix"),
        ("kick sid", {}, "token"),
        ("kick;sid", {}, "token"),
        ("kick.sid\r\nx", {}, "token"),
        ("", {}, "token"),
        ("kïck", {}, "token"),
        ("kick.sid", {"path": "app"}, "path"),
        ("kick.sid", {"path": "/a; Secure"}, "path"),
        ("kick.sid", {"path": "/a\r\nSet-Cookie: x=y"}, "path"),
        ("kick.sid", {"domain": "example.com; Path=/"}, "domain"),
        ("kick.sid", {"domain": ""}, "domain"),
        ("kick.sid", {"same_site": "Laxe"}, "same_site"),
        ("kick.sid", {"secure": "always"}, "secure must be"),
        ("kick.sid", {"prefix": "__Hosts-"}, "prefix must be"),
    ],
)
def test_a_cookie_that_browsers_refuse_or_that_breaks_the_header_is_refused(name: str, cookie: Any, cause: str) -> None:
    with pytest.raises(KickError) as caught:
        session(SECRET, cookie_name=name, cookie=cookie)
    assert caught.value.code == "session-cookie"
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    ("secure", "environment", "is_secure"),
    [
        (None, "production", True),
        (None, "development", False),
        (True, "development", True),
        (False, "production", False),
        ("auto", "production", False),
    ],
)
async def test_all_cookies_are_secure_in_production_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, secure: Any, environment: str, is_secure: bool
) -> None:
    monkeypatch.setenv("KICK_ENV", environment)
    sessions = session(SECRET, cookie={"secure": secure}).manager
    for scheme in ("https", "wss", "http", "ws"):
        state = await sessions.open({"headers": [], "scheme": scheme})
        sessions.session(state)["n"] = 1
        assert await sessions.session(state).save()
        (cookie,) = sessions.cookies_of(state)
        assert cookie.count(b"; Secure") == int(is_secure or (secure == "auto" and scheme in ("https", "wss")))


@pytest.mark.parametrize(("environment", "is_own"), [("production", False), ("development", True)])
def test_with_an_automatic_prefix_the_bare_name_may_be_a_former_one_everywhere(
    monkeypatch: pytest.MonkeyPatch, environment: str, is_own: bool
) -> None:
    monkeypatch.setenv("KICK_ENV", environment)
    cookie = options(cookie={"prefix": "auto", "replaces": ["kick.sid"]}).cookie
    assert (cookie.name == "kick.sid") is is_own
    came = cookie.replaced([(b"cookie", b"kick.sid=x")])
    assert list(came) == ([] if is_own else ["kick.sid"])


def test_an_own_name_with_its_prefix_is_no_former_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    with pytest.raises(KickError, match="replaces"):
        options(cookie={"prefix": "auto", "replaces": ["__Host-kick.sid"]})


def test_the_number_of_secrets_can_be_asked() -> None:
    """`kick check` warns where only some secrets of an application are known to its sessions."""
    assert options().cookie.secrets == 1
    assert session([SECRET, f"{SECRET} before"]).manager.options.cookie.secrets == 2


def test_good_prefixes_are_taken() -> None:
    assert options(cookie_name="__Host-sid", cookie={"secure": True}).cookie.name == "__Host-sid"
    assert options(cookie_name="__Secure-sid", cookie={"secure": True, "path": "/a"}).cookie.name == "__Secure-sid"


@pytest.mark.parametrize("name", ["max_age", "absolute_max_age", "rotate_after", "grace", "store_timeout"])
@pytest.mark.parametrize("value", [0, -1, timedelta(0), timedelta(seconds=-5), float("nan"), float("inf"), "1h"])
def test_durations_that_are_not_above_zero_are_refused(name: str, value: Any) -> None:
    with pytest.raises(KickError) as caught:
        session(SECRET, **{name: value})
    assert caught.value.code == "session-option"
    assert name in caught.value.cause


def test_all_that_is_wrong_is_reported_at_once() -> None:
    with pytest.raises(SetupErrors) as caught:
        session("", max_age=-1, cookie={"colour": "red"}, on_store_error="ignore")  # type: ignore[arg-type]
    assert [problem.code for problem in caught.value.problems] == [
        "secret-missing",
        "session-option",
        "session-option",
        "session-option",
    ]


class Whole:
    async def get(self, sid: str) -> None: ...
    async def set(self, sid: str, data: Any, max_age: float) -> None: ...
    async def destroy(self, sid: str) -> None: ...


class WithoutDestroy:
    async def get(self, sid: str) -> None: ...
    async def set(self, sid: str, data: Any, max_age: float) -> None: ...


class Synchronous(Whole):
    def get(self, sid: str) -> None: ...  # type: ignore[override]


def test_any_class_with_get_set_and_destroy_is_a_store() -> None:
    assert isinstance(open_store(Whole()), BasicStore)


@pytest.mark.parametrize(
    ("store", "code"),
    [
        ("mysql://localhost", "session-store-unknown"),
        ("sessions.db", "session-store-unknown"),
        ("", "session-store-unknown"),
        (5, "session-store-unknown"),
        (Whole, "session-store-unknown"),
        ({}, "session-store-method"),
        (WithoutDestroy(), "session-store-method"),
        (Synchronous(), "session-store-method"),
        ("memory://?max_sessions=none", "session-option"),
        ("memory://?size=1", "session-option"),
        ("sqlite://", "session-option"),
        ("sqlite:///", "session-option"),
        ("postgresql://host:port/db", "postgres-url"),
        ("postgres://host/db?table=A", "postgres-option"),
    ],
)
def test_what_is_no_store_is_refused(store: Any, code: str) -> None:
    with pytest.raises(KickError) as caught:
        session(SECRET, store=store)
    assert caught.value.code == code


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(KickError) as caught:
        session(SECRET, store="mysql://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


class UserSession(msgspec.Struct):
    user_id: int | None = None
    cart: list[str] = []


@dataclasses.dataclass
class DataclassSession:
    user_id: int | None = None
    cart: list[str] = dataclasses.field(default_factory=list)


class NeedsValue(msgspec.Struct):
    user_id: int


@pytest.mark.parametrize("data", [NeedsValue, dict, int, "text", UserSession()])
def test_data_is_a_struct_or_dataclass_with_defaults(data: Any) -> None:
    with pytest.raises(KickError) as caught:
        session(SECRET, data=data)
    assert caught.value.code == "session-option"


@pytest.mark.parametrize("data", [UserSession, DataclassSession])
async def test_typed_data_is_read_and_saved_by_attribute(store: Any, data: Any) -> None:
    browser = Browser(Site(store, data=data))

    def act(session: Any) -> None:
        session.data.user_id = 7
        session.data.cart.append("book")

    assert (await browser.visit(act)).session_cookie
    answer = await browser.visit(lambda session: session.data)
    assert answer.value == data(user_id=7, cart=["book"])
    assert answer.cookies == []


async def test_typed_data_that_stays_at_its_defaults_is_no_change() -> None:
    answer = await Browser(Site(data=UserSession)).visit(lambda session: session.data.cart)
    assert answer.cookies == []


async def test_a_record_of_another_release_fills_in_keeps_and_drops(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    plain = Browser(Site(store))
    await plain.visit(setting(user_id="not a number", left_over={"a": 1}))
    typed = plain.twin(Site(store, data=UserSession))
    answer = await typed.visit(lambda session: session.data)
    assert answer.value == UserSession()
    assert len([record for record in caplog.records if "user_id" in record.getMessage()]) == 1
    await typed.visit(lambda session: setattr(session.data, "user_id", 8))
    assert await plain.data() == {"user_id": 8, "left_over": {"a": 1}}


async def test_typed_data_can_be_replaced_by_its_own_type_only() -> None:
    browser = Browser(Site(data=UserSession))
    await browser.visit(lambda session: setattr(session, "data", UserSession(user_id=9)))
    assert (await browser.visit(lambda session: session.data.user_id)).value == 9
    assert isinstance((await browser.visit(lambda session: setattr(session, "data", {}))).error, TypeError)
    assert (await browser.visit(lambda session: session["user_id"])).value == 9
