from .models import Account
from .service import Accounts


async def load_account(user_id: int, accounts: Accounts) -> Account | None:
    """Whose session it is. A handler that asks for an `Account` gets it, and turns away everybody else."""
    return await accounts.find(user_id)
