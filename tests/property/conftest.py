"""Load the Hypothesis profile."""

from tests.support import profiles

profiles.load()
