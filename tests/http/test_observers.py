"""`ObservedRequest`: the request that observers are told of; `middleware/test_access_log.py` shows how requests end."""

from kick import Module, bootstrap
from kick.http.observers import ObservedRequest
from tests.http.support import ask


class Watching(Module):
    """A module that notes how the exchanges of an application look."""

    def __init__(self) -> None:
        self.observers = (self,)
        self.seen: list[str] = []
        super().__init__("watching")

    def finished(self, exchange: ObservedRequest) -> None:
        self.seen.append(repr(exchange))


async def test_what_is_shown_of_an_exchange_has_no_cookie_and_no_query() -> None:
    watching = Watching()
    headers = {"cookie": "kick.sid=s:secret", "authorization": "Bearer secret"}
    await ask(bootstrap([watching]), "/a%1bb?token=secret", headers=headers)
    assert watching.seen == ["<ObservedRequest GET /a%1Bb 404>"]
