"""`SharedRequest`: the Starlette request of a `RequestContext`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from starlette.datastructures import URL, FormData
from starlette.requests import Request

from kick.errors import OfRequest
from kick.http.request.target import sent_url

if TYPE_CHECKING:
    from kick.session.asgi.dict_session import RequestSession


class SharedRequest(OfRequest, Request):
    """The Starlette request. It also has a form that kick has already parsed, because its body cannot be read again."""

    parsed_form: FormData | None = None
    _sent_url: URL | None = None
    find_session: Callable[[], RequestSession] | None = None
    """Returns the session of the context; `None` if there is none."""
    _found_session: RequestSession | None = None

    @property
    def session(self) -> dict[str, Any]:
        """The session of the context, otherwise that of the scope."""
        if self.find_session is None:
            return super().session
        if self._found_session is None:
            self._found_session = self.find_session()
        self._found_session.mark_accessed()
        return self._found_session

    @session.setter
    def session(self, value: object) -> None:
        # `request.session |= {...}` assigns the same object.
        if value is not self.session:
            raise AttributeError("request.session cannot be replaced: clear() it, then update() it")

    @property
    def url(self) -> URL:
        """The whole URL as the client sent it."""
        if self._sent_url is None:
            self._sent_url = sent_url(self.scope)
        return self._sent_url

    def form(self, **limits: Any) -> Any:
        """Return the form, for `await` or `async with`. `limits` apply to a form that was not parsed yet."""
        return super().form(**limits) if self.parsed_form is None else _Parsed(self.parsed_form)

    async def close(self) -> None:
        """Close the files of the form."""
        if self.parsed_form is None:
            await super().close()
        else:
            await self.parsed_form.close()


class _Parsed:
    """A form for `await` or `async with`. Its files are closed when the request ends."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    def __await__(self) -> Generator[Any, Any, FormData]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> FormData:
        return self._form

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()
