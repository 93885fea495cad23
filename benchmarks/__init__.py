"""What kick costs, beside a raw ASGI application and beside others. `benchmarks/README.md` says what is measured."""
