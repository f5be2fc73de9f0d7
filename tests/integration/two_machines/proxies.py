"""The proxies of docs/examples/proxies as Debian ships them, with the files that the docs hand out: only paths are the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.eventually import eventually
from tests.integration.server.authority import Pair
from tests.integration.two_machines.machines import NAME, ROOT, Machine, Program

EXAMPLES = ROOT / "docs/examples/proxies"

NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    include {example};
}}
"""
CADDY = """
{{
    admin off
    auto_https disable_redirects
    storage file_system {folder}/caddy
}}
import {example}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """`file` is the example; `paths` takes a folder and a certificate and tells what of it is replaced; `whole` is the
    configuration that includes it; `command` runs that."""

    file: str
    paths: Callable[[Path, Pair], Mapping[str, str]]
    whole: str
    command: Callable[[Path, Path], Sequence[str]]


def _nginx_paths(folder: Path, pair: Pair) -> Mapping[str, str]:
    return {
        "/etc/letsencrypt/live/hub.example.org/fullchain.pem": str(pair.certificate),
        "/etc/letsencrypt/live/hub.example.org/privkey.pem": str(pair.key),
        "/var/log/nginx/messenger-hub.log": str(folder / "nginx-access.log"),
    }


def _caddy_paths(_: Path, pair: Pair) -> Mapping[str, str]:
    return {"# tls /etc/caddy/hub.pem /etc/caddy/hub.key": f"tls {pair.certificate} {pair.key}"}


KINDS = {
    "nginx": Kind(
        "nginx.conf",
        _nginx_paths,
        NGINX,
        lambda folder, file: ("nginx", "-p", str(folder), "-c", str(file), "-e", str(folder / "nginx.log")),
    ),
    "caddy": Kind(
        "Caddyfile",
        _caddy_paths,
        CADDY,
        lambda _, file: ("caddy", "run", "--adapter", "caddyfile", "--config", str(file)),
    ),
}


@contextmanager
def proxy(kind: str, machine: Machine, pair: Pair, replacing: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Runs it on a machine. `replacing`: what of the example a test wants otherwise."""
    folder, chosen = machine.folder, KINDS[kind]
    text = (EXAMPLES / chosen.file).read_text(encoding="utf-8")
    for old, new in {**chosen.paths(folder, pair), **(replacing or {})}.items():
        assert old in text, f"{chosen.file} has no {old!r}"
        text = text.replace(old, new)
    example = folder / chosen.file
    example.write_text(text)
    whole = folder / f"{kind}.whole"
    # What root's nginx writes lies in a folder for root alone.
    user = "user root;" if folder.owner() == "root" else ""
    whole.write_text(chosen.whole.format(folder=folder, example=example, user=user))
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with machine.running(kind, *chosen.command(folder, whole), environment=home, says=False) as program:
        eventually(
            lambda: machine.run("curl", "-ksS", "-o", "/dev/null", f"https://{NAME}/").returncode == 0,
            what=f"{kind} answers: {program.log.read_text()[-2000:]}",
        )
        yield program
