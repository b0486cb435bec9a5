"""Use cases: they decide with the domain and act through the ports."""
