from kick import Module

from {{ package }}.auth.controller import AuthController
from {{ package }}.auth.service import current_user

AuthModule = Module("auth", controllers=[AuthController], providers=[current_user])
