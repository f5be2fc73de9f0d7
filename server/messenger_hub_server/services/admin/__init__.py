"""Handlers of the operators' services."""
