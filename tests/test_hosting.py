"""What stands around the package in its repository: continuous integration, releases, issues, security."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
ISSUES = sorted(path.name for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def read(path: str) -> Any:
    return yaml.safe_load((GITHUB / path).read_text())


def commands(job: Any) -> list[str]:
    return [step["run"].partition(" #")[0].strip() for step in job["steps"] if "run" in step]


def test_continuous_integration_runs_the_two_commands_of_the_makefile() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-2:] == ["make test", "make test-long"]
    assert commands(read("workflows/tests.yml")["jobs"]["tests"]) == [
        *("make test PYTHON=python", "make test-long PYTHON=python"),
    ]


def test_a_tag_is_published_after_all_tests_and_without_a_password() -> None:
    text = (GITHUB / "workflows/release.yml").read_text()
    release = yaml.safe_load(text)
    assert release[True] == {"push": {"tags": ["v*"]}}  # `on` is a word for true in YAML 1.1
    jobs = release["jobs"]
    assert jobs["tests"] == {"uses": "./.github/workflows/tests.yml"}
    assert (jobs["dist"]["needs"], jobs["publish"]["needs"]) == ("tests", "dist")
    assert "make dist PYTHON=python" in commands(jobs["dist"])
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert release["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "password:" not in text


@pytest.mark.parametrize("name", ISSUES)
def test_an_issue_has_the_versions_and_the_settings(name: str) -> None:
    fields = [each["attributes"] for each in read(f"ISSUE_TEMPLATE/{name}")["body"]]
    assert any("`kick info`" in field.get("label", "") for field in fields)


def test_there_are_templates_for_faults_and_for_wishes() -> None:
    assert ISSUES == ["bug.yml", "feature.yml"]
    assert read("ISSUE_TEMPLATE/config.yml") == {"blank_issues_enabled": False}


def test_the_security_page_says_how_to_report_and_which_versions_are_supported() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    assert "Report it in private" in page
    assert "| the latest minor version" in page
