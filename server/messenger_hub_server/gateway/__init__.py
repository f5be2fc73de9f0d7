"""The HTTP door: REST translated from the contract."""
