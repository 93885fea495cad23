"""The whole contract in one class."""

from __future__ import annotations

from kick.testing.store_contract.applications import ApplicationCases
from kick.testing.store_contract.commits import CommitCases
from kick.testing.store_contract.comparisons import ComparisonCases
from kick.testing.store_contract.endings import EndingCases
from kick.testing.store_contract.model import ModelCases
from kick.testing.store_contract.moves import MoveCases
from kick.testing.store_contract.principals import PrincipalCases
from kick.testing.store_contract.races import RaceCases
from kick.testing.store_contract.values import ValueCases


class StoreContract(
    CommitCases,
    ComparisonCases,
    MoveCases,
    EndingCases,
    PrincipalCases,
    ApplicationCases,
    ValueCases,
    RaceCases,
    ModelCases,
):
    """All contract tests. Subclass it with a name that starts with `Test`; see the docstring of the package."""
