from .models import Account
from .service import Accounts


async def load_account(user_id: int, accounts: Accounts) -> Account | None:
    """Load the account of the session. A handler with an `Account` parameter rejects anonymous users."""
    return await accounts.find(user_id)
