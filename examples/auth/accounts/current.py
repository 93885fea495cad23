from kick import RequestContext, Unauthorized

from .models import Account
from .service import Accounts


async def current_account(ctx: RequestContext, accounts: Accounts) -> Account:
    """Who is logged in. A handler that asks for an `Account` gets it, and turns away everybody else."""
    account = await accounts.find(ctx.session.get("user_id"))
    if account is None:
        raise Unauthorized("Log in first.")
    return account
