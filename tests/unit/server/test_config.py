"""Settings: where each value comes from, and what a wrong one is told."""

from pathlib import Path

import pytest
from messenger_hub_server import config
from messenger_hub_server.startup import StartupProblem


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('http = "127.0.0.1:1"\ngrpc = "127.0.0.1:1"\nretention_days = 10\n')
    environment = {"MESSENGER_HUB_HTTP": "127.0.0.1:2", "MESSENGER_HUB_GRPC": "127.0.0.1:2"}
    settings = config.load({"data_dir": tmp_path, "http": "127.0.0.1:3", "grpc": None}, environment)
    assert (settings.http.port, settings.grpc.port, settings.retention_days, settings.stop_seconds) == (3, 2, 10, 15)
    names = ("http", "grpc", "retention_days", "stop_seconds")
    assert [settings.sources[name] for name in names] == ["flag", "environment", "config.toml", "default"]


def test_the_defaults_listen_on_both_loopback_addresses() -> None:
    settings = config.load({}, {})
    assert settings.http.hosts == settings.grpc.hosts == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        ({"http": "8080"}, {}, "--http is not understood: write HOST:PORT"),
        ({"http": "127.0.0.1:99999"}, {}, "--http is not understood"),
        ({"http": "0.0.0.0:80"}, {}, "--tls-cert"),
        ({"grpc": "[::]:80"}, {}, "--insecure"),
        ({"admin": "0.0.0.0:0"}, {}, "stays on loopback"),
        ({"tls_cert": "x.pem"}, {}, "both --tls-cert and --tls-key"),
        (
            {},
            {"MESSENGER_HUB_RETENTION_DAYS": "soon"},
            "MESSENGER_HUB_RETENTION_DAYS is not understood: write a whole number",
        ),
        ({}, {"MESSENGER_HUB_INSECURE": "perhaps"}, "write true or false"),
        ({}, {"MESSENGER_HUB_LOG_FORMAT": "xml"}, "write one of auto, json, console"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(flags: dict[str, object], environment: dict[str, str], words: str) -> None:
    with pytest.raises(StartupProblem) as caught:
        config.load(flags, environment)
    assert words in caught.value.sentence
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"http = ", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b'htp = "127.0.0.1:1"', "unknown setting 'htp'"),
        (b"http = 7", "http in config.toml is not understood"),
    ],
)
def test_an_unreadable_file_gets_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(StartupProblem) as caught:
        config.load({"data_dir": tmp_path}, {})
    assert words in caught.value.sentence
    assert caught.value.exit_code == 2


def test_addresses_off_loopback_are_allowed_when_somebody_says_so() -> None:
    assert config.load({"http": "0.0.0.0:0", "grpc": "[::]:0", "insecure": True}, {}).insecure


def test_the_table_of_the_docs_names_every_setting() -> None:
    table = config.docs_table()
    for setting in config.described():
        assert f"`{setting.flag}`" in table
        assert f"`{setting.environment}`" in table


def test_what_is_in_force_says_where_each_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("retention_days = 1000\n")
    flags = {"data_dir": tmp_path, "http": "127.0.0.1:1"}
    settings = config.load(flags, {"MESSENGER_HUB_RATE_PER_MINUTE": "1"})
    told = {one.name: (one.value, one.source) for one in config.in_force(settings)}
    assert told["http"] == ("127.0.0.1:1", "--http")
    assert told["rate_per_minute"] == ("1", "MESSENGER_HUB_RATE_PER_MINUTE")
    assert told["retention_days"] == ("1000", "config.toml")
    assert (told["insecure"], told["tls_cert"]) == (("false", "default"), ("", "default"))


def test_proxies_are_addresses_or_networks_and_none_by_default(tmp_path: Path) -> None:
    assert list(config.load({"data_dir": tmp_path}, {}).trusted_proxies) == []
    (tmp_path / "config.toml").write_text('trusted_proxies = "127.0.0.1, 10.0.0.0/8,::1"\n')
    settings = config.load({"data_dir": tmp_path}, {})
    assert [str(one) for one in settings.trusted_proxies] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    told = {one.name: one.value for one in config.in_force(settings)}
    assert told["trusted_proxies"] == "127.0.0.1/32,10.0.0.0/8,::1/128"


@pytest.mark.parametrize("written", ['"nginx"', '"10.0.0.1/8"', "127", '["127.0.0.1"]'])
def test_a_proxy_that_is_no_address_stops_the_start(tmp_path: Path, written: str) -> None:
    (tmp_path / "config.toml").write_text(f"trusted_proxies = {written}\n")
    with pytest.raises(StartupProblem, match=r"trusted_proxies in config\.toml is not understood: write addresses"):
        config.load({"data_dir": tmp_path}, {})


def test_the_address_of_a_database_is_shown_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('store = "postgresql://hub:geheim@db.example:6432/hub?sslmode=require"')
    settings = config.load({"data_dir": tmp_path}, {})
    assert settings.store is not None
    assert settings.store.url.endswith("geheim@db.example:6432/hub?sslmode=require")
    shown = {one.name: one.value for one in config.in_force(settings)}
    assert shown["store"] == "postgresql://db.example:6432/hub"
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["postgresql://hub:geheim@db.example/hub", "postgresql://hub@db.example/hub?password=geheim"]
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StartupProblem) as caught:
        config.load({"store": url}, {})
    assert "MESSENGER_HUB_STORE or config.toml" in caught.value.sentence
    assert "geheim" not in caught.value.sentence
    assert config.load({}, {"MESSENGER_HUB_STORE": url}).store is not None


@pytest.mark.parametrize("url", ["mysql://hub:geheim@db/hub", "postgresql://hub:geheim@db", "postgresql://[geheim/hub"])
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StartupProblem) as caught:
        config.load({}, {"MESSENGER_HUB_STORE": url})
    assert "MESSENGER_HUB_STORE is not understood: write postgresql://USER@HOST/DATABASE" in caught.value.sentence
    assert "geheim" not in f"{caught.value.sentence} {caught.value.__cause__}"


def test_an_empty_address_of_the_store_starts_no_hub_on_sqlite() -> None:
    """As a secret that did not arrive in a container."""
    with pytest.raises(StartupProblem) as caught:
        config.load({}, {"MESSENGER_HUB_STORE": ""})
    assert caught.value.sentence.startswith("MESSENGER_HUB_STORE is empty")
