"""The address of a PostgreSQL database, which may hold a password: what is shown of it never does."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlsplit

SCHEMES = frozenset({"postgresql", "postgres"})
SECRETS = frozenset({"password", "sslpassword"})


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…; as text without user, password and parameters."""

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            parts = self._parts()
            is_known = parts.scheme in SCHEMES and bool(parts.path.strip("/"))
        except ValueError:  # which quotes what it was given
            is_known = False
        if not is_known:
            raise ValueError("write postgresql://USER@HOST/DATABASE, or leave it out for SQLite")

    def __str__(self) -> str:
        parts = self._parts()
        host = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [""])[-1]
        return f"postgresql://{host}/{parts.path.strip('/')}"

    @property
    def has_secret(self) -> bool:
        """It holds a password."""
        parts = self._parts()
        user = parts.netloc.rpartition("@")[0]
        return ":" in user or not SECRETS.isdisjoint(parse_qs(parts.query))

    def _parts(self) -> SplitResult:
        return urlsplit(self.url)
