"""The server's settings: every one has a default, a line in config.toml, an environment variable and a flag.

Later ones win: default, `config.toml` in the data folder, environment, flag. `Settings.sources` says where each value came from.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import platformdirs
from messenger_hub.runtime.log import Form

from messenger_hub_server.identity.proxies import Network
from messenger_hub_server.model import JOURNAL_DAYS
from messenger_hub_server.startup import StartupProblem
from messenger_hub_server.store.address import StoreAddress

PREFIX = "MESSENGER_HUB_"
FILE_NAME = "config.toml"
ASK = "ask"

Parser = Callable[[object], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen. The host `localhost` means 127.0.0.1 and ::1; port 0 means a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def hosts(self) -> Sequence[str]:
        """The IP addresses or names to bind."""
        return ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


def _address(value: object) -> Address:
    host, _, port = str(value).rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("write HOST:PORT, for example 127.0.0.1:8642 or [::1]:8642")
    return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("write the path of a file or folder")
    return Path(value).expanduser().absolute()


def _truth(value: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if str(value).lower() not in words:
        raise ValueError("write true or false")
    return words[str(value).lower()]


def _number(least: int, most: int) -> Parser:
    def parse(value: object) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return int(text)

    return parse


def _choice(*choices: str) -> Parser:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"write one of {', '.join(choices)}")
        return str(value)

    return parse


def _url(value: object) -> str:
    if not str(value).startswith(("http://", "https://")):
        raise ValueError("write a URL that starts with http:// or https://")
    if not urlsplit(str(value)).hostname or urlsplit(str(value)).port == 0:  # a port that is none raises by itself
        raise ValueError("write a URL with a host, for example https://hub.example.org")
    return str(value).rstrip("/")


def _networks(value: object) -> Sequence[Network]:
    if not isinstance(value, str):
        raise ValueError("write addresses in one text, with commas between")  # noqa: TRY004 as every parser
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in value.split(",") if one.strip())
    except ValueError as error:
        raise ValueError(
            "write addresses or networks with commas between, for example 127.0.0.1,172.17.0.0/16"
        ) from error


def _store(value: object) -> StoreAddress:
    return StoreAddress(str(value))


def _setting(default: object, parse: Parser, told: str) -> dict[str, object]:
    return {"default": default, "parse": parse, "told": told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set. Field names are the keys of config.toml; flags and environment names derive from them."""

    data_dir: Path = field(
        metadata=_setting("", _path, "Folder of the database, the secrets and config.toml; made with mode 0700.")
    )
    store: StoreAddress | None = field(
        default=None,
        metadata=_setting(
            None,
            _store,
            "A PostgreSQL database instead of the file in the data folder: postgresql://USER@HOST/DATABASE; one with a password goes into "
            "the environment or config.toml.",
        ),
    )
    secrets: Path | None = field(
        default=None,
        metadata=_setting(
            None,
            _path,
            "File with the secrets that all nodes of a hub have, which a new data folder takes over; messenger-hub secrets makes it.",
        ),
    )
    http: Address = field(
        metadata=_setting("localhost:8642", _address, "Where the REST API listens; localhost means 127.0.0.1 and ::1.")
    )
    grpc: Address = field(
        metadata=_setting("localhost:8643", _address, "Where the gRPC API and the agents' streams listen.")
    )
    admin: Address = field(
        metadata=_setting("127.0.0.1:0", _address, "Where operators' commands listen; loopback only.")
    )
    admin_http: Address = field(
        metadata=_setting("127.0.0.1:0", _address, "Where /metrics listens, for operators; loopback only.")
    )
    lan: bool = field(
        default=False,
        metadata=_setting(
            False,
            _truth,
            "Listen for the local network too, with TLS and a certificate of the hub's own making; desktops join by a link.",
        ),
    )
    lan_http: Address = field(
        default=Address(host="0.0.0.0", port=8652),  # noqa: S104 what the setting is for
        metadata=_setting("0.0.0.0:8652", _address, "Where the REST API listens for the local network."),
    )
    lan_grpc: Address = field(
        default=Address(host="0.0.0.0", port=8653),  # noqa: S104
        metadata=_setting("0.0.0.0:8653", _address, "Where gRPC and the agents' streams listen for the local network."),
    )
    tls_cert: Path | None = field(
        default=None,
        metadata=_setting(None, _path, "Certificate chain (PEM) for both APIs; read again when it changes."),
    )
    tls_key: Path | None = field(default=None, metadata=_setting(None, _path, "Private key (PEM) of the certificate."))
    insecure: bool = field(
        default=False, metadata=_setting(False, _truth, "Allow addresses other than loopback without TLS.")
    )
    api_address: str = field(
        default="",
        metadata=_setting(
            "",
            _url,
            "The address of REST API and console as other machines see it; shown in the desktop app. With https and gRPC on loopback "
            "desktops come the same way: through the proxy in front.",
        ),
    )
    trusted_proxies: Sequence[Network] = field(
        default=(),
        metadata=_setting(
            (),
            _networks,
            "Addresses or networks of the proxies in front, with commas between: whom they name in X-Forwarded-For is who tries to sign "
            "in to the console.",
        ),
    )
    rate_per_minute: int = field(
        default=6000,
        metadata=_setting(
            6000, _number(1, 1_000_000), "Requests a minute of a session API that has no rate of its own."
        ),
    )
    backlog: str = field(
        default="send",
        metadata=_setting(
            "send",
            _choice("send", ASK),
            "What becomes of more than 20 operations that have waited for over six hours while nothing could go out: send them when it "
            "can, or ask a person first. up asks where it has a screen.",
        ),
    )
    retention_days: int = field(
        default=90,
        metadata=_setting(90, _number(JOURNAL_DAYS, 3650), "Days after which settled operations are deleted."),
    )
    text_retention_days: int = field(
        default=90,
        metadata=_setting(
            90,
            _number(JOURNAL_DAYS, 3650),
            "Days after which numbers and texts of settled operations are erased; the rest stays.",
        ),
    )
    stop_seconds: int = field(
        default=15, metadata=_setting(15, _number(1, 300), "Longest time that stopping may take, in seconds.")
    )
    log_format: Form = field(
        default="auto",
        metadata=_setting(
            "auto", _choice("auto", "json", "console"), "auto is console on a terminal, else JSON lines."
        ),
    )
    log_level: str = field(
        default="info",
        metadata=_setting("info", _choice("debug", "info", "warning", "error"), "Least severe line to log."),
    )
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How one setting is told to people."""

    name: str
    flag: str
    environment: str
    default: str
    told: str
    is_switch: bool


def described() -> Sequence[Setting]:
    """All settings, in the order of the docs."""
    return [
        Setting(
            name=f.name,
            flag="--" + f.name.replace("_", "-"),
            environment=PREFIX + f.name.upper(),
            default=_shown_default(f),
            told=str(f.metadata["told"]),
            is_switch=f.metadata["parse"] is _truth,
        )
        for f in _fields()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A setting as it is. `source`: its flag, its environment variable, config.toml or "default"."""

    name: str
    value: str
    source: str
    told: str


def in_force(settings: Settings) -> Sequence[InForce]:
    """Every setting, in the order of the docs."""
    told = []
    for one in described():
        source = settings.sources.get(one.name, "default")
        names = {"flag": one.flag, "environment": one.environment}
        value = _shown(getattr(settings, one.name))
        told.append(InForce(name=one.name, value=value, source=names.get(source, source), told=one.told))
    return told


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def docs_table() -> str:
    """The table of settings in Markdown."""
    head = ["| flag | environment | config.toml | default | what it does |", "| --- | --- | --- | --- | --- |"]
    rows = [f"| `{s.flag}` | `{s.environment}` | `{s.name}` | {s.default} | {s.told} |" for s in described()]
    return "\n".join(head + rows) + "\n"


def default_data_dir() -> Path:
    """Where the hub keeps its data unless told otherwise."""
    return Path(platformdirs.user_data_dir("messenger-hub", appauthor=False))


def load(flags: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """The settings in force. `flags` maps field names to given values; None means not given. Raises StartupProblem."""
    given = {name: value for name, value in flags.items() if value is not None}
    _refuse_empty_store(environment)
    named = {
        f.name: environment[PREFIX + f.name.upper()] for f in _fields() if environment.get(PREFIX + f.name.upper())
    }
    data_dir = _first(_field("data_dir"), {"flag": given, "environment": named}) or (default_data_dir(), "default")
    written = _file(Path(str(data_dir[0])) / FILE_NAME)
    values: dict[str, object] = {"data_dir": data_dir[0]}
    sources = {"data_dir": data_dir[1]}
    for f in _fields()[1:]:
        found = _first(f, {"flag": given, "environment": named, FILE_NAME: written})
        values[f.name], sources[f.name] = found or (_default(f), "default")
    settings = dataclasses.replace(_blank(), **values, sources=MappingProxyType(sources))  # type: ignore[arg-type]
    _check(settings)
    return settings


def _refuse_empty_store(environment: Mapping[str, str]) -> None:
    """Elsewhere an empty variable is one that is not set. A secret that did not arrive must not make another hub, on SQLite."""
    if environment.get(f"{PREFIX}STORE") == "":
        raise StartupProblem(f"{PREFIX}STORE is empty: give it the database's address, or unset it for SQLite.")


def _check(settings: Settings) -> None:
    if settings.store is not None and settings.sources["store"] == "flag":
        refuse_secret(settings.store, "--store")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise StartupProblem("TLS needs both --tls-cert and --tls-key: give both, or neither.")
    if settings.lan and settings.tls_cert is not None:
        raise StartupProblem(
            "--lan makes a certificate of its own: leave --tls-cert and --tls-key out, or give --http and --grpc an address of the "
            "network instead of --lan."
        )
    for name, address in (("--admin", settings.admin), ("--admin-http", settings.admin_http)):
        if not address.loopback:
            raise StartupProblem(f"The operators' listener stays on loopback: {address} is not; leave {name} out.")
    if settings.tls_cert or settings.insecure:
        return
    for name, address in (("--http", settings.http), ("--grpc", settings.grpc)):
        if not address.loopback:
            raise StartupProblem(
                f"{name} {address} can be reached by other machines, and without TLS they could read every key and message: "
                "give --lan instead, or --tls-cert and --tls-key, or --insecure if a proxy in front does TLS."
            )


def refuse_secret(address: StoreAddress, flag: str) -> None:
    """Every user of a machine can read the command lines of all. Raises StartupProblem."""
    if address.has_secret:
        raise StartupProblem(
            f"Every user of this machine could read the password in {flag}: leave it out there, and put the whole address into "
            f"{PREFIX}STORE or config.toml, or the password into ~/.pgpass."
        )


def _first(f: dataclasses.Field[object], layers: Mapping[str, Mapping[str, object]]) -> tuple[object, str] | None:
    for source, layer in layers.items():
        if f.name in layer:
            return _parsed(f, layer[f.name], source), source
    return None


def _parsed(f: dataclasses.Field[object], value: object, source: str) -> object:
    names = {"flag": "--" + f.name.replace("_", "-"), "environment": PREFIX + f.name.upper()}
    parse: Parser = f.metadata["parse"]
    try:
        return parse(value)
    except ValueError as error:
        raise StartupProblem(
            f"The setting {names.get(source, f'{f.name} in {source}')} is not understood: {error}."
        ) from error


def _file(path: Path) -> Mapping[str, object]:
    try:
        written = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StartupProblem(
            f"The configuration {path} cannot be read: {reason}. Mend the file or move it away."
        ) from error
    known = {f.name for f in _fields()[1:]}
    for name in written:
        if name not in known:
            raise StartupProblem(
                f"The configuration {path} has an unknown setting {name!r}: take it out, or mend its name."
            )
    return written


def _blank() -> Settings:
    return Settings(
        data_dir=Path(),
        http=_address("localhost:0"),
        grpc=_address("localhost:0"),
        admin=_address("localhost:0"),
        admin_http=_address("localhost:0"),
    )


def _fields() -> Sequence[dataclasses.Field[object]]:
    return [f for f in dataclasses.fields(Settings) if f.metadata]


def _field(name: str) -> dataclasses.Field[object]:
    return next(f for f in _fields() if f.name == name)


def _default(f: dataclasses.Field[object]) -> object:
    default, parse = f.metadata["default"], f.metadata["parse"]
    return default if default in (None, "") or not isinstance(default, str) else parse(default)


def _shown_default(f: dataclasses.Field[object]) -> str:
    default = f.metadata["default"]
    if f.name == "data_dir":
        return "the user's data folder"
    return "" if default in (None, "", False, ()) else f"`{default}`"
