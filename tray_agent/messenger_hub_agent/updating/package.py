"""A package of npm's as bytes: its integrity verified, and nothing but wa-js taken out of it.

Nothing is unpacked to the disk, so no name or link in it can lead anywhere, and what it may unpack to is bounded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import tarfile
import zlib
from pathlib import Path

import msgspec

from messenger_hub_agent.updating.problems import Unusable
from messenger_hub_agent.whatsapp.wa_js import WaJs

NAME = "@wppconnect/wa-js"
DESCRIPTION = "package/package.json"
SOURCE = "package/dist/wppconnect-wa.js"

# 4.6.0 has 0.3 MB, unpacks to 1.5 MB in 780 files, and its script has 0.5 MB.
MOST_PACKED = 20_000_000  # bytes
MOST_UNPACKED = 100_000_000
MOST_SOURCE = 10_000_000
GZIP = 31  # zlib's word for the form


class _Description(msgspec.Struct, frozen=True):
    name: str
    version: str


def opened(file: Path, integrity: str, name: str) -> WaJs:
    """wa-js out of the package in this file, which a person knows by that name. `integrity`: as npm states it, sha512-… . Raises
    Unusable, and OSError for the file."""
    if file.stat().st_size > MOST_PACKED:
        raise _no_wa_js(name, "it is too large")
    packed = file.read_bytes()
    _verify(name, packed, integrity)
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(name, packed)), mode="r:") as archive:
            description = msgspec.json.decode(_member(archive, DESCRIPTION), type=_Description)
            if description.name != NAME:
                raise _no_wa_js(name, f"it is {description.name[:100]}")
            content = {"version": description.version, "source": _member(archive, SOURCE).decode()}
            return msgspec.convert(content, WaJs)
    except (tarfile.TarError, KeyError, ValueError, msgspec.MsgspecError) as error:
        raise _no_wa_js(name, "what it should hold is not in it") from error


def _verify(name: str, packed: bytes, integrity: str) -> None:
    algorithm, _, stated = integrity.strip().partition("-")
    try:
        digest = base64.b64decode(stated, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if algorithm != "sha512" or len(digest) != hashlib.sha512().digest_size:
        raise Unusable(
            f"The integrity has to be what npm states: sha512- and 88 characters, as in npm view {NAME} dist.integrity.",
            "integrity",
            "npm states no sha512",
        )
    if not hmac.compare_digest(hashlib.sha512(packed).digest(), digest):
        raise Unusable(
            f"{name} is not what the integrity says: nothing was changed; fetch it again.",
            "integrity",
            "it is not what npm states",
        )


def _unpacked(name: str, packed: bytes) -> bytes:
    unpacking = zlib.decompressobj(GZIP)
    try:
        content = unpacking.decompress(packed, MOST_UNPACKED)
    except zlib.error as error:
        raise _no_wa_js(name, "it is not compressed as npm does") from error
    if not unpacking.eof:
        raise _no_wa_js(name, "it is cut off, or too large")
    return content


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """Raises KeyError when it is no plain file of a sound size."""
    member = archive.getmember(name)
    content = archive.extractfile(member) if member.isreg() and member.size <= MOST_SOURCE else None
    if content is None:
        raise KeyError(name)
    return content.read()


def _no_wa_js(name: str, why: str) -> Unusable:
    return Unusable(
        f"{name} is no package of wa-js ({why}): nothing was changed; take what npm pack {NAME} makes.",
        "no_wa_js",
        "it is no package of wa-js",
    )
