"""The fixes that mistakes with Redis print are carried out as they are printed."""

from __future__ import annotations

import re
from typing import Any, cast

import redis.asyncio

from kick.session.stores.redis import RedisStore
from tests.support.setup_errors import raises_code


def quoted(fix: str) -> list[str]:
    return re.findall(r"`([^`]+)`", fix)


def test_every_form_of_url_that_is_offered_is_taken() -> None:
    with raises_code("redis-url") as caught:
        RedisStore("redis+sentinel://host:26379")
    forms = [form for form in quoted(caught.value.fix) if "://" in form]
    assert len(forms) == 6
    for form in forms:
        assert RedisStore(form)


def test_every_client_that_is_offered_is_taken() -> None:
    with raises_code("redis-client") as caught:
        RedisStore({"host": "localhost"})  # type: ignore[arg-type]
    single, cluster, sentinel = quoted(caught.value.fix)
    arguments = {single: "", cluster: "host='localhost', port=6379", sentinel: "[('localhost', 26379)]"}
    for form, first in arguments.items():
        code = form.replace("...", first, 1).replace("master_for(...)", "master_for('service')")
        client: Any = eval(code, {"redis": redis})
        assert RedisStore(client)


class Tunnel(redis.asyncio.Connection):
    """A connection of the user's own kind."""


def test_a_client_that_only_redis_py_can_connect_is_refused_and_one_with_the_options_offered_is_taken() -> None:
    pool: Any = redis.asyncio.ConnectionPool(connection_class=Tunnel)
    for client in (redis.asyncio.Redis(redis_connect_func=lambda _: None), redis.asyncio.Redis(connection_pool=pool)):
        with raises_code("redis-connection", match=r"redis_connect_func|Tunnel") as caught:
            RedisStore(client)
    options = quoted(caught.value.fix)
    assert options == ["username", "password", "credential_provider"]
    provider = redis.UsernamePasswordCredentialProvider("ann", "secret")
    assert RedisStore(redis.asyncio.Redis(**cast(Any, {options[0]: "ann", options[1]: "secret"})))
    assert RedisStore(redis.asyncio.Redis(**cast(Any, {options[2]: provider})))


def test_sessions_of_express_are_taken_over_from_one_server() -> None:
    with raises_code("redis-legacy-cluster") as caught:
        RedisStore("redis+cluster://host:6379", legacy_prefix="sess:")
    option, url = quoted(caught.value.fix)
    assert option == "legacy_prefix"
    assert RedisStore("redis+cluster://host:6379")
    assert RedisStore(url)
