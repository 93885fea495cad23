"""The values of a session: decoded when they are read, compared when the request ends."""
