"""Login, logout and guards, based on the session.

Handlers call `login()` and `logout()`. `@Authenticated` and `@Roles` protect handlers. `authentication()` provides the
logged-in user. `Passwords` hashes passwords.
"""

from kick.auth.guards import Authenticated, GuardLayer, Roles, authenticated, next_page, roles
from kick.auth.identities import Identity, identity
from kick.auth.login import login, logout, set_roles
from kick.auth.login_limit import LoginLimit
from kick.auth.passwords import Passwords
from kick.auth.user import AuthenticationLayer, authentication

__all__ = [
    "Authenticated",
    "AuthenticationLayer",
    "GuardLayer",
    "Identity",
    "LoginLimit",
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
