"""The durable queue's storage."""
