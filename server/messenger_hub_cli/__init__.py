"""The command messenger-hub."""
