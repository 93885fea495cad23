"""Who uses `examples/auth` in the tests."""

import secrets
from dataclasses import dataclass, field


def new_email() -> str:
    """An address that nobody else has: tests share a server."""
    return f"ada-{secrets.token_hex(4)}@example.org"


@dataclass(frozen=True)
class Person:
    email: str = field(default_factory=new_email)
    name: str = "Ada"
    password: str = "analytical engine"

    @property
    def registration(self) -> dict[str, str]:
        return {"name": self.name, "email": self.email, "password": self.password}

    @property
    def credentials(self) -> dict[str, str]:
        return {"email": self.email, "password": self.password}
