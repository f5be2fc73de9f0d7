"""Handlers, one module a service: they translate between the contract's messages and domain values, and do nothing else."""
