"""Values of a session, decoded when they are read and compared when the request ends."""
