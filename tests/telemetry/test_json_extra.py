"""Values of `extra=` in JSON records."""

from __future__ import annotations

import json
import logging

import pytest

from kick.telemetry import JSONFormatter


@pytest.mark.parametrize("name", ["time", "level", "logger", "exception", "stack"])
def test_a_value_with_the_name_of_a_member_is_kept_beside_it(name: str) -> None:
    record = logging.getLogger("shop").makeRecord(
        "shop", logging.INFO, "", 0, "sold", (), None, extra={name: 3, "n": 1}
    )
    line = json.loads(JSONFormatter().format(record))
    assert (line[f"extra_{name}"], line["n"], line["message"]) == (3, 1, "sold")
    assert line.get(name) != 3
