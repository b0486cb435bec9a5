"""What the use cases need from the outside; adapters and the tests' fakes provide it.

Every method may raise `StoreUnavailable` when the outside throttles, fails or does not answer.
"""
