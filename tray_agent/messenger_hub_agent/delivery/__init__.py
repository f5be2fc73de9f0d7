"""The delivery protocol as code, agent's end: pure, no I/O (docs/delivery.md)."""
