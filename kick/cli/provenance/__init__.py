"""Provenance of the installed kick, and how a new project gets the same one."""

from kick.cli.provenance.origin import DISTRIBUTION as DISTRIBUTION
from kick.cli.provenance.origin import Provenance as Provenance
from kick.cli.provenance.origin import provenance as provenance
