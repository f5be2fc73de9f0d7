"""The hub's data folder: who holds it, the secrets that are made at the first start, and where operators find the running hub."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from messenger_hub.runtime.folder import FolderError, PrivateFolder

from messenger_hub_server.shared_secrets import SharedSecrets, is_secret
from messenger_hub_server.startup import REFUSED, StartupProblem

VERSION = 1
"""Layout of the folder; a folder of a newer one is refused."""
PEPPER = "pepper"
ADMIN_TOKEN = "admin-token"  # noqa: S105 - the file's name
METRICS_TOKEN = "metrics-token"  # noqa: S105
"""Opens /metrics and nothing else. It follows from the admin token, so a back-up need not hold it."""
ADMIN_ADDRESS = "admin-address"
ADMIN_HTTP_ADDRESS = "admin-http-address"
DATABASE = "hub.db"
MOVED = "hub.db.moved"
"""The database of before a move to PostgreSQL."""
ELSEWHERE = "postgresql"
"""Names the PostgreSQL database, without its password, once this folder's hub has used one."""
LAN_CERTIFICATE, LAN_KEY = "lan.pem", "lan.key"
INTERRUPTED = "restore-interrupted"
"""Stands there while a restore replaces files; a hub that started in between would believe an older database."""


class DataFolder:
    """Opening takes the folder for this process. `given`: the secrets of all nodes, see take_secrets. Raises StartupProblem."""

    def __init__(self, path: Path, given: SharedSecrets | None = None) -> None:
        try:
            self.private = PrivateFolder(path)
            self.private.lock("messenger-hub server")
        except FolderError as error:
            raise StartupProblem(str(error), REFUSED) from error
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            self.private.claim_version(VERSION)
            self._refuse_half_restored()
            if given is not None:
                take_secrets(self.private, given)
            is_new = not any(self.private.file(name).exists() for name in (DATABASE, MOVED, ELSEWHERE))
            self.pepper = bytes.fromhex(self._secret(PEPPER, is_new))
            self.admin_token = self._secret(ADMIN_TOKEN, True)
            self.metrics_token = self._follows_from(self.admin_token, METRICS_TOKEN)
        except StartupProblem:
            self.private.unlock()
            raise
        except (FolderError, ValueError) as error:
            self.private.unlock()
            raise StartupProblem(str(error), REFUSED) from error
        except OSError as error:
            self.private.unlock()
            raise _unwritable(path, error) from error

    @property
    def digest(self) -> bytes:
        """See digest_of."""
        return digest_of(self.pepper)

    def announce(self, admin: str, admin_http: str) -> None:
        """Tells the operators' commands where to call."""
        self.private.write_private(ADMIN_ADDRESS, admin.encode())
        self.private.write_private(ADMIN_HTTP_ADDRESS, admin_http.encode())

    def close(self) -> None:
        """Nobody is there any more; the folder is free."""
        for name in (ADMIN_ADDRESS, ADMIN_HTTP_ADDRESS):
            self.private.file(name).unlink(missing_ok=True)
        self.private.unlock()

    def _refuse_half_restored(self) -> None:
        if self.private.file(INTERRUPTED).exists():
            raise ValueError(
                f"A restore into {self.private.path} was interrupted: repeat messenger-hub restore, with the same back-up, or with "
                "--in-place for the database that is there."
            )

    def _follows_from(self, secret: str, name: str) -> str:
        """Hexadecimal digits that tell nothing of the secret, also in a file of that name."""
        made = hmac.digest(secret.encode(), name.encode(), "sha256").hex()
        if self.private.read(name) != made.encode():
            self.private.write_private(name, made.encode())
        return made

    def _secret(self, name: str, may_make: bool) -> str:
        """Hexadecimal digits, made when there are none. A new pepper beside an old database would make every key wrong."""
        found = self.private.read(name)
        if found is not None and is_secret(found.decode("ascii", "replace")):
            return found.decode()
        if found is not None or not may_make:
            raise ValueError(
                f"{self.private.file(name)} is missing or damaged: restore it from a back-up, no key works without it."
            )
        made = secrets.token_hex(32)
        self.private.write_private(name, made.encode())
        return made


def secrets_of(folder: PrivateFolder) -> SharedSecrets:
    """Those of a data folder, whether or not its hub runs. Raises StartupProblem when it has none, or FolderError."""
    pepper, admin_token = ((folder.read(name) or b"").decode("ascii", "replace") for name in (PEPPER, ADMIN_TOKEN))
    if not (is_secret(pepper) and is_secret(admin_token)):
        raise StartupProblem(
            f"{folder.path} has no secrets, or damaged ones: give the data folder of a hub that has been started, with --data-dir."
        )
    return SharedSecrets(pepper=pepper, admin_token=admin_token)


def take_secrets(folder: PrivateFolder, given: SharedSecrets) -> None:
    """Puts the secrets of all nodes into a data folder that this process has locked. An admin token that was changed is changed there.

    Raises StartupProblem where they are those of another hub, FolderError, or OSError.
    """
    found = folder.read(PEPPER)
    if found is None and any(folder.file(name).exists() for name in (DATABASE, MOVED)):
        raise StartupProblem(
            f"{folder.file(PEPPER)} is missing beside a database: restore it from a back-up, no key works without it.",
            REFUSED,
        )
    if found not in {None, given.pepper.encode()}:
        raise StartupProblem(
            f"{folder.path} is the data folder of a hub with other secrets, whose keys would stop working: give this node a data folder "
            "of its own.",
            REFUSED,
        )
    for name, value in ((PEPPER, given.pepper), (ADMIN_TOKEN, given.admin_token)):
        if folder.read(name) != value.encode():
            folder.write_private(name, value.encode())


def digest_of(pepper: bytes) -> bytes:
    """What a database elsewhere says that it belongs to, without telling the pepper."""
    return hmac.digest(pepper, b"messenger-hub store", "sha256")


def _unwritable(path: Path, error: OSError) -> StartupProblem:
    return StartupProblem(f"The data folder {path} cannot be written: {error.strerror}.", REFUSED)
