"""Say how long property tests search."""

from tests.support import profiles

profiles.load()
