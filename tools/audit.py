"""Look up the pinned dependencies in the advisories of the Python Packaging Authority, by pip-audit.

    python -m tools.audit

Exits with 1 if a dependency has a known vulnerability. Where no index of advisories can be reached, it says so, and
exits with 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).parents[1] / "constraints.txt"


def outcome(out: str, err: str) -> tuple[list[str], int]:
    """Return the lines to print for what pip-audit has written, and the exit code."""
    try:
        listed = json.loads(out)["dependencies"]
    except ValueError:
        cause = err.strip().splitlines()[-1:] or ["pip-audit wrote nothing"]
        return [f"audit: skipped, because no index of advisories can be reached ({cause[0]})"], 0
    audited = [each for each in listed if "skip_reason" not in each]
    if not audited:
        return ["audit: skipped, because the index that can be reached has no advisories"], 0
    lines = [f"{each['name']}: {each['skip_reason']}" for each in listed if "skip_reason" in each]
    found = [(each, flaw) for each in audited for flaw in each["vulns"]]
    for each, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version"
        lines.append(f"{each['name']} {each['version']}: {flaw['id']}, fixed in {fixed}")
    lines.append(f"audit: {len(audited)} of {len(listed)} pinned dependencies, {len(found)} known vulnerabilities")
    return lines, 1 if found else 0


def main() -> int:
    """Print the vulnerabilities, and return the exit code."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(PINNED), "--no-deps", "--disable-pip"]
    run = subprocess.run([*command, "--format", "json", "--progress-spinner", "off"], capture_output=True, text=True)
    lines, code = outcome(run.stdout, run.stderr)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
