"""Fuzzing: random bytes for every parser that reads what a client, a proxy or a store sends. `make fuzz` runs it."""
