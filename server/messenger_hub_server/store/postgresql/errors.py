"""A database's errors as those of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from messenger_hub.runtime.database import CommitUnknown, DatabaseError, NothingCommitted

from messenger_hub_server.store import base


@contextmanager
def told() -> Iterator[None]:
    """Raises WriteUnknown, NothingWritten or StoreError for a DatabaseError."""
    try:
        yield
    except CommitUnknown as error:
        raise base.WriteUnknown(str(error)) from error
    except NothingCommitted as error:
        raise base.NothingWritten(str(error)) from error
    except DatabaseError as error:
        raise base.StoreError(str(error)) from error
