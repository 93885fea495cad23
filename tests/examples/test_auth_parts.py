"""The parts of `examples/auth` that are shown best by themselves."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples.auth import settings
from examples.auth.accounts.devices import device_name


def test_of_several_first_starts_at_once_all_have_one_secret(tmp_path: Path) -> None:
    file = tmp_path / "session-secret"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: settings.secret_in(file), range(8)))
    assert found == {file.read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["session-secret"]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.5.0", "curl"),
        ("", "A browser"),
    ],
)
def test_a_device_is_named_as_far_as_it_tells(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
