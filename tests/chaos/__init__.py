"""Chaos: clients that use sessions while the store and the workers fail. `make chaos` runs it."""
