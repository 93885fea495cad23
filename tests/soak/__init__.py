"""Soak: mixed traffic for a long time, and what the server still holds afterwards. `make soak` runs it."""
