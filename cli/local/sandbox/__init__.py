"""Play the payment providers' HTTP APIs, in memory and on this machine."""
