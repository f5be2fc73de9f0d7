"""A registry of npm's on loopback, for a real npm."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from tests.fakes.package import wa_js_package

NAME = "@wppconnect/wa-js"


class Registry:
    """The version that is served last is the latest."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self.address = address
        self._versions: dict[str, object] = {}
        folder.mkdir()

    def serves(self, version: str, source: str) -> None:
        """From now on."""
        file = self._folder / f"wa-js-{version}.tgz"
        stated = wa_js_package(file, version, source)
        dist = {"integrity": stated, "tarball": f"{self.address}/{NAME}/-/{file.name}"}
        self._versions[version] = {"name": NAME, "version": version, "dist": dist}

    def answer(self, path: str) -> bytes | None:
        """What a GET gets; None is 404."""
        if path == f"/{NAME}":
            latest = {"latest": [*self._versions][-1]} if self._versions else {}
            return json.dumps({"name": NAME, "dist-tags": latest, "versions": self._versions}).encode()
        file = self._folder / path.rpartition("/")[2]
        return file.read_bytes() if file.is_file() else None

    def variables(self, cache: Path) -> Mapping[str, str]:
        """The environment in which npm asks this registry and no other."""
        return {
            "npm_config_registry": f"{self.address}/",
            "npm_config_cache": str(cache),
            "npm_config_update_notifier": "false",
            "npm_config_prefer_online": "true",
            "npm_config_noproxy": "127.0.0.1",
        }


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Serves until the block ends."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.answer(unquote(self.path.partition("?")[0]))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        served = Registry(folder, f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
