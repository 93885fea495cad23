"""Where somebody is logged in: each session is a device."""

from kick import Service, Session, Sessions

from {{ package }}.auth.models import Device, User


@Service()
class Devices:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def of(self, user: User, here: Session) -> list[Device]:
        """The devices of a user, the one seen last first; `here` is the session that asks."""
        return [
            Device(
                user_agent=info.client.get("user_agent", ""),
                ip=info.client.get("ip", ""),
                last_seen_at=info.last_seen_at,
                is_this=info.fingerprint == here.fingerprint,
            )
            for info in await self._sessions.of(user.id)
        ]

    async def end_others(self, user: User, here: Session) -> int:
        """Log out everywhere but here; on how many devices that was."""
        return await self._sessions.revoke(user.id, except_id=here.id)
