"""Logging in and out over the session, and who may do what.

`login()` and `logout()` in handlers; `@Authenticated` and `@Roles` over them; `authentication()` provides the user that
is logged in; `Passwords` hashes.
"""

from kick.auth.guards import Authenticated, GuardLayer, Roles, authenticated, next_page, roles
from kick.auth.identities import Identity, identity
from kick.auth.login import login, logout, set_roles
from kick.auth.passwords import Passwords
from kick.auth.user import AuthenticationLayer, authentication

__all__ = [
    "Authenticated",
    "AuthenticationLayer",
    "GuardLayer",
    "Identity",
    "Passwords",
    "Roles",
    "authenticated",
    "authentication",
    "identity",
    "login",
    "logout",
    "next_page",
    "roles",
    "set_roles",
]
