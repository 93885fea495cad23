"""How the cost of a request grows with what an application has and holds. `__main__.py` starts it."""
