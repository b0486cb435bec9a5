"""The local cloud: the same CDK application, deployed to an AWS emulator on this machine."""
