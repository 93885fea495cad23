"""Mutation testing: change a rule of the sessions, and see that a test notices. `make mutations` runs it."""
