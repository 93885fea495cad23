"""What a process of the benchmark is started with: which application to make, over which store, on which port."""

import os
from typing import Final

VARIANT: Final = os.environ.get("BENCH_VARIANT", "plain")
"""`plain`, `routes`, `pipeline` or `session`."""

STORE: Final = os.environ.get("BENCH_STORE", "memory://")
"""Where sessions are kept: `memory://`, or the URL of a SQLite file, of a Redis or of a PostgreSQL."""

PORT: Final = int(os.environ.get("BENCH_PORT", "8765"))
"""For servers that are started by the application."""

ROUTES: Final = int(os.environ.get("BENCH_ROUTES", "200"))
"""How many routes the application `routes` has: `/route0` and so on."""

SECRET: Final = "a secret of the benchmark, 32 bytes"
CHUNK: Final = b"x" * 1000
CHUNKS: Final = 10
