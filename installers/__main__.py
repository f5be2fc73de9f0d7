"""`./hub package [FOLDER]`: the app as a folder that needs no Python, and as a Debian package or, on Windows, an archive made of it."""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
NAME = "messenger-hub"
HOME = Path("opt") / NAME
ICON = ROOT / "server/messenger_hub_server/console/static/icon.svg"
# What the libraries in the folder leave to the system.
LIBC = getattr(os, "confstr", lambda _: None)("CS_GNU_LIBC_VERSION") or "glibc 2.31"
DEPENDS = f"libc6 (>= {LIBC.split()[-1]}), zlib1g"
# A third of the time of xz's fastest level, and about as small. A dpkg that reads it is as old as the libc6 of its distribution.
COMPRESSION = ("-Zzstd", "-z7")
RECOMMENDS = "chromium | google-chrome-stable | microsoft-edge-stable"

CONTROL = f"""Package: {NAME}
Version: {{version}}
Architecture: {{architecture}}
Maintainer: Messenger Hub <hub@messengerhub.dev>
Installed-Size: {{size}}
Depends: {DEPENDS}
Recommends: {RECOMMENDS}
Section: net
Priority: optional
Homepage: https://messengerhub.dev
Description: send WhatsApp messages through an API of your own
 A hub with a REST and a gRPC API, a durable queue and a desktop app that
 carries operations out in WhatsApp Web, in a browser that it controls.
 .
 An accepted message is never lost and never sent twice.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="./hub package", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("dist"), help="where both go (%(default)s)")
    given = parser.parse_args(arguments)
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=given.folder).close()
    except OSError as error:  # before the minutes that it takes
        parser.error(f"{given.folder} cannot be written ({error.strerror}): name another folder.")
    folder = build_folder(given.folder)
    print(f"The app is in {folder}; it runs there: {folder / NAME} up")  # noqa: T201
    if sys.platform == "win32":
        archive = build_archive(folder, given.folder)
        print(f"The archive is {archive}: unpack it, and start install.cmd in it.")  # noqa: T201
        return 0
    if shutil.which("dpkg-deb") is None:
        print("There is no dpkg-deb here, so no Debian package was made.")  # noqa: T201
        return 0
    package = build_package(folder, given.folder)
    print(f"The Debian package is {package}: sudo apt install {package.absolute()}")  # noqa: T201
    return 0


def build_folder(target: Path) -> Path:
    """The folder NAME in `target`, made anew. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as work:
        options = ("--noconfirm", "--log-level", "ERROR", "--distpath", str(target), "--workpath", work)
        subprocess.run([sys.executable, "-m", "PyInstaller", *options, str(HERE / f"{NAME}.spec")], check=True)
    return target / NAME


def build_archive(folder: Path, target: Path) -> Path:
    """A .zip in `target` of that folder and what installs it for one user of Windows."""
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made) / f"{NAME}-{version(NAME)}"
        shutil.copytree(folder, tree / NAME)
        for file in (HERE / "windows").iterdir():
            shutil.copy(file, tree)
        shutil.copy(ROOT / "LICENSE", tree)
        return Path(shutil.make_archive(str(target / f"{NAME}_{version(NAME)}_windows"), "zip", made))


def build_package(folder: Path, target: Path) -> Path:
    """A .deb of that folder in `target`. Raises CalledProcessError."""
    architecture = _printed("dpkg", "--print-architecture")
    package = target / f"{NAME}_{version(NAME)}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made)
        tree.chmod(0o755)
        shutil.copytree(folder, tree / HOME, symlinks=True)
        _share(tree)
        (tree / "usr/bin").mkdir()
        (tree / "usr/bin" / NAME).symlink_to(Path("/") / HOME / NAME)
        size = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file() and not file.is_symlink()) // 1024
        control = CONTROL.format(version=version(NAME), architecture=architecture, size=size)
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN/control").write_text(control, "utf-8")
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", made], check=True)  # whatever the umask was
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", *COMPRESSION, "--build", made, str(package)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return package


def _share(tree: Path) -> None:
    """Menu entries, the icon and what Debian wants said."""
    share = tree / "usr/share"
    applications, icons, papers = share / "applications", share / "icons/hicolor/scalable/apps", share / f"doc/{NAME}"
    for folder in (applications, icons, papers):
        folder.mkdir(parents=True)
    for entry in HERE.glob("linux/*.desktop"):
        shutil.copy(entry, applications)
    shutil.copy(ICON, icons / f"{NAME}.svg")
    shutil.copy(HERE / "linux/copyright", papers)
    with gzip.GzipFile(papers / "changelog.gz", "wb", mtime=0) as changelog:
        changelog.write((ROOT / "CHANGELOG.md").read_bytes())


def _printed(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
