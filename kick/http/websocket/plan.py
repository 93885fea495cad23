"""Call plans of WebSocket handlers, and the endpoints of their handshakes."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from types import MethodType
from typing import Annotated, Any, get_args, get_origin

from kick.di import Container
from kick.di.generics import NO_TYPES
from kick.di.naming import type_name
from kick.di.signature import Need, Unhinted
from kick.errors import KickError
from kick.http.context.context import RequestContext
from kick.http.handlers.endpoint import _getter, controller_of, end_scope, positional_names, scoped_arguments
from kick.http.handlers.parameters import is_socket
from kick.http.handlers.plan import Argument, CallPlan, Source
from kick.http.handlers.response_types import ResponseType, writer_of
from kick.http.middleware import Endpoint
from kick.http.response.base import Response
from kick.http.routing.decorators import SocketInfo
from kick.http.validation.encoding import Encode, JSONEncoder
from kick.http.websocket.errors import (
    bad_message_type,
    bad_origin,
    bad_socket_option,
    body_with_socket,
    missing_socket,
    sync_socket_handler,
)
from kick.http.websocket.handshake import Handle, handshake_of
from kick.http.websocket.messages import Frames, frames_of, json_type
from kick.http.websocket.origins import is_origin, nearest_origin


class SocketPlan(CallPlan):
    """The call plan of a WebSocket handler, with the codec of its messages."""

    def __init__(
        self,
        handler: Any,
        info: SocketInfo,
        path_names: Sequence[str],
        place: str,
        *,
        types: Mapping[Any, Any] = NO_TYPES,
    ) -> None:
        self.options = info
        self.messages: tuple[Any, Any] = Any, Any
        self.frames: Frames = frames_of(Any, Any)
        super().__init__(handler, info, path_names, place, types=types)
        if self.problems:
            return
        if not inspect.iscoroutinefunction(inspect.unwrap(handler)):
            self.problems.append(sync_socket_handler(place, getattr(handler, "__name__", "handle")))
        if not self.takes(Source.SOCKET):
            self.problems.append(missing_socket(place))

    def _argument(self, need: Need, path_names: Sequence[str]) -> Argument | None:
        if is_socket(need.hint) or (isinstance(need.hint, Unhinted) and need.name == "socket"):
            self._read_types(need.hint)
            return Argument(need.name, Source.SOCKET, need.hint, need.parameter.default, need.parameter.kind)
        argument = super()._argument(need, path_names)
        if argument is not None and argument.source in (Source.BODY, Source.FORM, Source.FILE):
            self.problems.append(body_with_socket(self.place, type_name(argument.hint)))
            return None
        return argument

    def _read_types(self, hint: Any) -> None:
        hint = hint.__origin__ if get_origin(hint) is Annotated else hint
        incoming, outgoing = (*get_args(hint), Any, Any)[:2]
        try:
            self.frames, self.messages = frames_of(incoming, outgoing), (incoming, outgoing)
        except (TypeError, NameError) as error:
            self.problems.append(bad_message_type(type_name(incoming), self.place, str(error)))
            return
        outgoing_json = json_type(outgoing)
        if outgoing_json is not None:
            self._declare(ResponseType(outgoing_json), f"the outgoing messages of {self.place}")

    def _read_response(self, returned: Any, types: Mapping[Any, Any]) -> None:
        """Nothing: it returns no response."""

    def _check_path(self, taken_by_providers: Collection[str]) -> None:
        """Check nothing, because the socket has the path parameters too."""


def socket_endpoint(plan: SocketPlan, container: Container, controller: Any, *, encoder: JSONEncoder) -> Endpoint:
    """Return the end of the chain of a handshake, which starts the handler and responds when it accepts.

    Messages are written as responses are: only what their declared type has is sent.
    """
    handle, info = _handle(plan, container, controller), plan.options

    def writer_for(kind: Any) -> Encode:
        return writer_of(ResponseType(kind), encoder, f"a message of {plan.place}").encode

    frames = frames_of(*plan.messages, writer_for=writer_for)

    async def endpoint(ctx: RequestContext[Any]) -> Response:
        return await handshake_of(ctx).begin(ctx, handle, frames, info)

    return endpoint


def socket_problems(info: SocketInfo, place: str) -> list[KickError]:
    """Return the mistakes in the options of a WebSocket.

    >>> info = SocketInfo(method="GET", path="/", origins=["https://example.com/chat"])
    >>> socket_problems(info, "chat() at app.py:7")[0].fix
    'Write them as browsers send them: `origins=["https://example.com"]`.'
    """
    problems: list[KickError] = []
    origins: Any = info.origins
    if not isinstance(origins, list | tuple) or not all(is_origin(each) for each in origins):
        wrong = next((each for each in _listed(origins) if not is_origin(each)), origins)
        nearest = nearest_origin(wrong)
        problems.append(
            bad_origin(origins, place) if nearest is None else bad_origin(origins, place, suggestion=nearest)
        )
    limit: Any = info.max_message
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        example = "max_message=64 * 1024"
        problems.append(bad_socket_option("max_message", limit, place, expected="a number of bytes", example=example))
    if info.on_invalid not in ("close", "reply"):
        problems.append(
            bad_socket_option(
                "on_invalid", info.on_invalid, place, expected='"close" or "reply"', example='on_invalid="reply"'
            )
        )
    return problems


def _listed(origins: Any) -> list[Any]:
    return list(origins) if isinstance(origins, list | tuple) else [origins]


def _handle(plan: SocketPlan, container: Container, controller: Any) -> Handle:
    """Return the handler with its arguments.

    Their scope ends with the connection; instances of the scope `handler` end before it is
    accepted.
    """
    built = controller_of(controller, container)
    handler: Any = plan.handler if built is not None else MethodType(plan.handler, container.instance(controller))
    scoped = scoped_arguments(plan, container, built)
    sockets = [each.name for each in plan.arguments if each.source is Source.SOCKET]
    known = {*sockets, *(each.name for each in scoped)}
    others = {each.name: _getter(plan, each, container) for each in plan.arguments if each.name not in known}
    by_position = positional_names(plan, scoped)

    async def handle(ctx: RequestContext[Any], socket: Any) -> None:
        scope = container.new_scope({RequestContext: ctx})
        handshake_of(ctx).before_accept = lambda: end_scope(scope.end_handler(), ctx)
        try:
            arguments: dict[str, Any] = dict.fromkeys(sockets, socket)
            for name, resolve, awaits, _ in scoped:
                arguments[name] = await resolve(scope) if awaits else resolve(scope)
            for name, get in others.items():
                arguments[name] = get(ctx)
            first = [arguments.pop(name) for name in by_position]
            await handler(*first, **arguments)
        except BaseException as error:
            await end_scope(scope.aclose(error), ctx)
            raise
        await scope.aclose()

    return handle
