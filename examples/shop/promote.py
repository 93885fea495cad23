"""Make a user an administrator, from the next login on: `python promote.py ada`."""

import asyncio
import sys

from accounts import Users
from dotenv import load_dotenv


async def promote(name: str) -> bool:
    from main import app  # which reads the environment

    async with app.scope() as scope:  # its database session is committed at the end of the block
        done = await (await scope.get(Users)).promote(name)
    await app.aclose()
    return done


if __name__ == "__main__":
    load_dotenv()
    if not asyncio.run(promote(sys.argv[1])):
        sys.exit(f"There is no user {sys.argv[1]}.")
