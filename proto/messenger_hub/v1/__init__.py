"""The contract with programs."""
