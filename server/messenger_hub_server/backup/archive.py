"""The back-up file: a ZIP without compression that plain tools open.

    README.txt   how to open it with age and tar
    key.age      a fresh age key, encrypted with the passphrase
    hub.age      a tar.gz, encrypted to that key: the files of CONTENT, then manifest.json with their sizes and SHA-256

The manifest comes last, because only then the sums are known; a tar without it is cut short.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import msgspec

from messenger_hub_server.backup.encryption import Key, NotDecrypted
from messenger_hub_server.backup.piping import piped
from messenger_hub_server.backup.problems import Hindered, Unusable
from messenger_hub_server.config import FILE_NAME as CONFIG
from messenger_hub_server.data_folder import ADMIN_TOKEN, DATABASE, LAN_CERTIFICATE, LAN_KEY, PEPPER
from messenger_hub_server.highwater import NAME as HIGH_WATER
from messenger_hub_server.registry_ids import FILE_NAME as REGISTRY_IDS

FORMAT = 1
CONTENT = (DATABASE, PEPPER, ADMIN_TOKEN, HIGH_WATER, REGISTRY_IDS, CONFIG, LAN_CERTIFICATE, LAN_KEY)
NEEDED = frozenset({DATABASE, PEPPER})

_COMMENT = b"messenger-hub backup "
_README, _KEY, _HUB, _MANIFEST = "README.txt", "key.age", "hub.age", "manifest.json"
_SMALL = 1 << 20
_CHUNK = 1 << 20
# Twice as fast as the default, and texts in a database shrink nearly as well.
_COMPRESSION = 3

README = f"""A back-up of Messenger Hub (format {FORMAT}). Put it back with

    messenger-hub restore THIS-FILE

or look into it with plain tools (unzip, age, tar):

    unzip THIS-FILE
    age --decrypt --output key.txt key.age         (asks for the passphrase)
    age --decrypt --identity key.txt hub.age | tar --extract --gzip

hub.db is an SQLite database. pepper, admin-token and lan.key are secrets: delete what you unpacked.
"""


class Member(msgspec.Struct, frozen=True):
    """Size in bytes and SHA-256 in hexadecimal of one file."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a back-up holds. `layout` is the data folder's, `version` the program's that made it."""

    format: int
    made_at_ms: int
    version: str
    layout: int
    files: Mapping[str, Member]


class Sight(Protocol):
    """Sees how far a step is. A total of 0 is not known."""

    def __call__(self, step: str, done: int, total: int, /) -> None:
        """`done` of `total` in bytes or pages."""
        ...


def write(target: BinaryIO, files: Mapping[str, Path | bytes], facts: Manifest, passphrase: str, sight: Sight) -> None:
    """Writes a whole back-up of these files to a seekable target. `facts.files` is filled in here. Raises OSError."""
    key = Key.make()
    total = sum(_size(content) for content in files.values())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.comment = _COMMENT + str(FORMAT).encode()
        archive.writestr(_README, README)
        archive.writestr(_KEY, key.locked(passphrase))
        with archive.open(_HUB, "w", force_zip64=True) as encrypted:

            def encrypt(source: BinaryIO) -> None:
                key.encrypt(source, cast("BinaryIO", encrypted))

            piped(lambda pipe: _pack(pipe, files, facts, lambda done: sight("Encrypting", done, total)), encrypt)


def _pack(pipe: BinaryIO, files: Mapping[str, Path | bytes], facts: Manifest, on_bytes: Callable[[int], None]) -> None:
    members: dict[str, Member] = {}
    done = 0

    def seen(count: int) -> None:
        nonlocal done
        done += count
        on_bytes(done)

    with (
        gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=_COMPRESSION, filename="") as compressed,
        tarfile.open(fileobj=compressed, mode="w|", bufsize=_CHUNK) as tar,
    ):
        for name, content in files.items():
            with _opened(content) as source:
                summed = _Summed(source, seen)
                tar.addfile(_entry(name, _size(content), facts.made_at_ms), cast("BinaryIO", summed))
            members[name] = Member(size=summed.size, sha256=summed.sum.hexdigest())
        manifest = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(facts, files=members)))
        tar.addfile(_entry(_MANIFEST, len(manifest), facts.made_at_ms), io.BytesIO(manifest))


def _entry(name: str, size: int, made_at_ms: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, made_at_ms // 1000
    return entry


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _opened(content: Path | bytes) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


class _Summed:
    """Reads or writes through, with size and sum of what went by."""

    def __init__(self, file: BinaryIO, seen: Callable[[int], None]) -> None:
        self._file = file
        self._seen = seen
        self.size = 0
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count(data)
        return data

    def write(self, data: bytes) -> int:
        self._count(data)
        return self._file.write(data)

    def _count(self, data: bytes) -> None:
        self.size += len(data)
        self.sum.update(data)
        self._seen(len(data))


# ---- reading ----------------------------------------------------------------------------------------------------------------


class Archive:
    """A back-up file that is open. Use `opened`."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self._path = path
        self._zip = file

    def unlock(self, passphrase: str) -> Key:
        """Raises Unusable when the passphrase is wrong."""
        try:
            locked = self._read_small(_KEY)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
            raise _damaged(self._path) from error
        # The ZIP's own sum was right, so what does not decrypt has another passphrase.
        try:
            return Key.unlock(locked, passphrase)
        except NotDecrypted as error:
            raise Unusable(
                f"The passphrase of {self._path} is another one: nothing was changed.", "wrong_passphrase"
            ) from error

    def _read_small(self, name: str) -> bytes:
        if self._zip.getinfo(name).file_size > _SMALL:
            raise _damaged(self._path)
        return self._zip.read(name)

    def unpack(self, key: Key, folder: Path, sight: Sight) -> Manifest:
        """Puts every file into the folder, mode 0600, on the disk and compared with the manifest. Raises Unusable, Hindered when a
        newer version made it, or OSError."""
        total = self._zip.getinfo(_HUB).file_size
        try:
            with self._zip.open(_HUB) as encrypted:
                watched = _Summed(cast("BinaryIO", encrypted), lambda _: sight("Decrypting", watched.size, total))
                source = cast("BinaryIO", watched)
                return piped(lambda pipe: key.decrypt(source, pipe), lambda pipe: self._extract(pipe, folder))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotDecrypted, tarfile.TarError, gzip.BadGzipFile) as error:
            raise _damaged(self._path) from error

    def _extract(self, pipe: BinaryIO, folder: Path) -> Manifest:
        members: dict[str, Member] = {}
        manifest: bytes | None = None
        with gzip.GzipFile(fileobj=pipe, mode="rb") as plain:
            with tarfile.open(fileobj=plain, mode="r|", bufsize=_CHUNK) as tar:
                for entry in tar:
                    content = tar.extractfile(entry) if entry.isreg() else None
                    if content is None or manifest is not None or entry.name in members:
                        raise _damaged(self._path)
                    if entry.name == _MANIFEST and entry.size <= _SMALL:
                        manifest = content.read()
                        continue
                    if entry.name not in CONTENT:
                        raise _too_new(self._path)
                    if entry.name != DATABASE and entry.size > _SMALL:
                        raise _damaged(self._path)
                    members[entry.name] = _put(cast("BinaryIO", content), folder / entry.name)
            # The sum of the whole stands behind the tar's end.
            while plain.read(_CHUNK):
                pass
        return self._agreed(manifest, members)

    def _agreed(self, manifest: bytes | None, members: Mapping[str, Member]) -> Manifest:
        try:
            facts = msgspec.json.decode(manifest or b"", type=Manifest)
        except msgspec.DecodeError as error:
            raise _damaged(self._path) from error
        if facts.format > FORMAT:
            raise _too_new(self._path)
        if facts.files != members or not members.keys() >= NEEDED:
            raise _damaged(self._path)
        return facts


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Opens a back-up and looks at its outside. Raises Unusable, Hindered when it is of a newer version or cannot be read."""
    try:
        with zipfile.ZipFile(path) as file:
            _recognise(path, file)
            yield Archive(path, file)
    except FileNotFoundError as error:
        raise Unusable(f"There is no file {path}: give the path of a back-up.", "no_such_file") from error
    except zipfile.BadZipFile as error:
        raise (_cut_short if _starts_like_one(path) else _no_backup)(path) from error
    except IsADirectoryError as error:
        raise _no_backup(path) from error
    except PermissionError as error:
        raise Hindered(f"This user may not read {path}: run it as its owner.", "no_permission") from error


def _recognise(path: Path, file: zipfile.ZipFile) -> None:
    if not file.comment.startswith(_COMMENT):
        raise _no_backup(path)
    number = file.comment.removeprefix(_COMMENT)
    if not number:
        raise _cut_short(path)
    if not number.isdigit():
        raise _damaged(path)
    if int(number) > FORMAT:
        raise _too_new(path)
    if not {_KEY, _HUB} <= set(file.namelist()):
        raise _damaged(path)


def _starts_like_one(path: Path) -> bool:
    """A ZIP's list stands at its end; the name of the first file at its beginning."""
    with path.open("rb") as file:
        head = file.read(30 + len(_README))
    return len(head) > 30 and struct.unpack("<4s", head[:4])[0] == b"PK\x03\x04" and head[30:] == _README.encode()


def _put(content: BinaryIO, path: Path) -> Member:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        summed = _Summed(file, lambda _: None)
        shutil.copyfileobj(content, summed, _CHUNK)
        file.flush()
        os.fsync(descriptor)
    return Member(size=summed.size, sha256=summed.sum.hexdigest())


def _no_backup(path: Path) -> Unusable:
    return Unusable(f"{path} is not a back-up that messenger-hub backup made: give another file.", "not_a_backup")


def _cut_short(path: Path) -> Unusable:
    return Unusable(
        f"The end of {path} is missing: copy the back-up again, or take another; nothing was changed.", "backup_damaged"
    )


def _damaged(path: Path) -> Unusable:
    return Unusable(f"{path} is damaged: take another back-up; nothing was changed.", "backup_damaged")


def _too_new(path: Path) -> Hindered:
    return Hindered(
        f"{path} was made by a newer version of Messenger Hub: install that version; nothing was changed.", "too_new"
    )


def newer_database(path: Path, version: str) -> Hindered:
    """The copy inside has a schema of a newer version."""
    return Hindered(
        f"{path} was made by Messenger Hub {version}, which is newer than this: install that version; nothing was changed.",
        "too_new",
    )


def damaged(path: Path) -> Unusable:
    """The copy inside is no sound database."""
    return _damaged(path)
