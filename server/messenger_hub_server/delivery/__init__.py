"""The delivery protocol as code, server's end: pure, no I/O (docs/delivery.md)."""
