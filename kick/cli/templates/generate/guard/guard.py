from kick import Forbidden, RequestContext, Response
from kick.http import CallNext


async def {{ name }}(ctx: RequestContext, call_next: CallNext) -> Response:
    """Lets in who says who it is; put your own rule here."""
    if "authorization" not in ctx.headers:
        raise Forbidden("This is not for everybody.")
    return await call_next(ctx)
