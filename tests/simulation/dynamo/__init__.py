"""DynamoDB in memory: its documented behaviour, without a network, a thread or a clock of its own."""

from tests.simulation.dynamo.errors import Refused
from tests.simulation.dynamo.model import Dynamo
from tests.simulation.dynamo.tables import Change
from tests.simulation.dynamo.transactions import Commit

__all__ = ["Change", "Commit", "Dynamo", "Refused"]
