from kick import RequestContext, Response
from kick.http import CallNext


async def {{ name }}(ctx: RequestContext, call_next: CallNext) -> Response:
    """What is before the call sees the request, what is after it the response."""
    response = await call_next(ctx)
    response.headers["x-{{ path }}"] = "passed"
    return response
