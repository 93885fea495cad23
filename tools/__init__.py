"""Programs that make and check what is released: `tools.dist` and `tools.versions`."""
