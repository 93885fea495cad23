"""What pytest looks at in this folder."""

collect_ignore = ["schemathesis_hooks.py"]
"""Imported by schemathesis, in a process of its own."""
