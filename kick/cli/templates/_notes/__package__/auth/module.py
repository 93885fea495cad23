from kick import Module
from kick.auth import Passwords

from {{ package }}.auth.controller import AuthController

AuthModule = Module("auth", controllers=[AuthController], providers=[Passwords])
