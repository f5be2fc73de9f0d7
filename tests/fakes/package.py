"""Packages of npm's as `npm pack` makes them, and an npm that serves them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

DESCRIPTION = "package/package.json"
SOURCE = "package/dist/wppconnect-wa.js"

# Answers what npm 11 answered for wa-js 4.6.0, and for a version that there is not.
NPM = """\
import json, pathlib, shutil, sys
shelf = pathlib.Path({shelf!r})
command, wanted = sys.argv[1], sys.argv[2]
name, _, version = wanted.rpartition("@")
stated = json.loads((shelf / "stated.json").read_text())
version = stated["latest"] if version == "latest" else version
assert name == "@wppconnect/wa-js" and "--json" in sys.argv
if version not in stated["integrity"]:
    summary = f"No match found for version {{version}}"
    print(json.dumps({{"error": {{"code": "E404", "summary": summary, "detail": ""}}}}))
    sys.exit(1)
if command == "view":
    print(json.dumps({{"version": version, "dist.integrity": stated["integrity"][version]}}))
else:
    file = shelf / f"wppconnect-wa-js-{{version}}.tgz"
    shutil.copy(file, sys.argv[sys.argv.index("--pack-destination") + 1])
    print(json.dumps([{{"name": name, "version": version, "filename": file.name}}]))
"""


def described(version: str, name: str = "@wppconnect/wa-js") -> bytes:
    return json.dumps({"name": name, "version": version, "license": "Apache-2.0"}).encode()


def packed(file: Path, members: Mapping[str, bytes]) -> str:
    """Writes a package; its integrity."""
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return integrity(file)


def wa_js_package(file: Path, version: str, source: str) -> str:
    """Writes a package of wa-js with this script; its integrity."""
    more = {"package/README.md": b"# wa-js", "package/dist/index.d.ts": b"export {};"}
    return packed(file, {**more, DESCRIPTION: described(version), SOURCE: source.encode()})


def integrity(file: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


class Npm:
    """An npm in a folder that can be put on the path. The version that is served last is the latest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._stated: dict[str, str] = {}
        program = folder / "npm"
        program.write_text(f"#!{sys.executable}\n{NPM.format(shelf=str(folder))}")
        program.chmod(0o755)

    def serves(self, version: str, source: str, *, states: str = "") -> None:
        """From now on; `states`: another integrity than is true."""
        true = wa_js_package(self.folder / f"wppconnect-wa-js-{version}.tgz", version, source)
        self._stated[version] = states or true
        stated = {"latest": version, "integrity": self._stated}
        (self.folder / "stated.json").write_text(json.dumps(stated))
