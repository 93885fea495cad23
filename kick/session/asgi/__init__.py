"""Sessions in ASGI applications that are not written with kick."""
