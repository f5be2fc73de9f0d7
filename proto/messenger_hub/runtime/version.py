"""What a released version looks like."""

from __future__ import annotations

VERSION = r"^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}\Z"
"""Three numbers with dots between, as in 4.6.0."""
