"""What can go wrong with the local cloud, in words for the person at the keyboard.

LocalCloudError
├── NotRunning
├── PortUnavailable
├── StartFailed
├── StepFailed        a subprocess (build, synthesis) that failed
└── DeploymentFailed
"""


class LocalCloudError(Exception):
    """Base of everything the local cloud refuses or fails to do."""


class NotRunning(LocalCloudError):
    """Nothing runs in this checkout."""

    def __init__(self) -> None:
        """Say how to start it."""
        super().__init__("The local cloud is not running; start it with `tallystick local up`.")


class PortUnavailable(LocalCloudError):
    """The port that was asked for cannot be had."""


class StartFailed(LocalCloudError):
    """The emulator's process ended or did not answer in time."""


class StepFailed(LocalCloudError):
    """A subprocess ended with an error."""


class DeploymentFailed(LocalCloudError):
    """CloudFormation refused or rolled back the stack."""
