"""Alerts and dashboard: Prometheus understands them, and they ask for nothing that a hub does not tell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from messenger_hub_server.errors import table
from messenger_hub_server.model import OperationState
from messenger_hub_server.services.explanation import ChannelState
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.files import DEPLOY, ROOT, documents
from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import Hub, running_hub
from tests.integration.server.test_metrics import page, send, token

PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana/messenger-hub.json").read_text())
RULES = [rule for group in documents("prometheus/alerts.yml")[0]["groups"] for rule in group["rules"]]
CODES = {error.word() for error in table()}
SERIES = re.compile(r"\b(?:messenger_hub|process)_\w+")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False)


def queries() -> Iterator[str]:
    """Those of the dashboard, as Grafana sends them."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield re.sub(r"\$(instance|channel|job)\b", ".*", target["expr"].replace("$__rate_interval", "5m"))


def expressions() -> Sequence[str]:
    return [*(rule["expr"] for rule in RULES), *queries()]


def labels(name: str) -> Iterator[str]:
    """The values of a label that are asked for."""
    for expression in expressions():
        for value in re.findall(rf'\b{name}=~?"([^"]+)"', expression):
            yield from value.split("|")


@pytest.fixture
async def names(tmp_path: Path) -> set[str]:
    """The series of a hub that has done everything once."""
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        async with connected(hub, 1, await enrolled(hub)) as desktop:
            await send(hub, await hub.session_api())
            await desktop.carry_out("SENT")
            await desktop.report(browser_bytes=1, browser_restarts=1)
            await desktop.hello()
            return await series(hub)


async def series(hub: Hub) -> set[str]:
    _, text, _ = await page(hub, token(hub))
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    told = promtool("test", "rules", "alerts_test.yml")
    assert told.returncode == 0, told.stdout + told.stderr
    played = {
        one["alertname"] for case in documents("prometheus/alerts_test.yml")[0]["tests"] for one in case["alert_rule_test"]
        if one["exp_alerts"]
    }  # fmt: skip
    assert played == {rule["alert"] for rule in RULES}


def test_prometheus_understands_alerts_and_configuration() -> None:
    assert promtool("check", "rules", "alerts.yml").returncode == 0
    for name in ("prometheus.yml", "prometheus-nodes.yml"):
        told = promtool("check", "config", "--syntax-only", name)
        assert told.returncode == 0, told.stdout + told.stderr


def test_an_alert_that_is_wrong_is_found(tmp_path: Path) -> None:
    for name in ("alerts.yml", "alerts_test.yml"):
        shutil.copy(PROMETHEUS / name, tmp_path)
    (tmp_path / "alerts.yml").write_text((tmp_path / "alerts.yml").read_text().replace("<= 600", "<= 6000"))
    assert promtool("test", "rules", tmp_path / "alerts_test.yml").returncode == 1


async def test_alerts_and_dashboard_name_only_what_a_hub_tells(names: set[str]) -> None:
    asked = {name for expression in expressions() for name in SERIES.findall(expression)}
    assert asked <= names
    assert len(asked) > 15


async def test_the_page_on_operating_tells_of_every_series_and_of_no_other(names: set[str]) -> None:
    written = set(
        re.findall(r"^\| `((?:messenger_hub|process)_\w+)", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    )
    own = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in names if name.startswith("messenger_hub_")}
    assert {name for name in written if name.startswith("messenger_hub_")} == own
    assert {name for name in written if name.startswith("process_")} <= names


def test_the_states_and_codes_that_are_asked_for_exist() -> None:
    states = {state.value for state in ChannelState} | {state.value for state in OperationState}
    assert set(labels("state")) <= states
    assert set(labels("code")) <= CODES


def test_the_alert_on_errors_counts_the_hubs_own_faults_only() -> None:
    (rule,) = [rule for rule in RULES if rule["alert"] == "MessengerHubErrors"]
    (codes,) = set(re.findall(r'code=~"([^"]+)"', rule["expr"]))
    statuses = {error.word(): error.http_status for error in table()}
    assert {statuses[code] for code in codes.split("|")} == {500, 503}


def test_the_dashboards_queries_are_promql(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    written = tmp_path / "queries.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    told = promtool("check", "rules", written)
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(rules) > 20


def test_the_dashboard_asks_the_data_source_that_is_chosen_on_it() -> None:
    (chosen,) = [one for one in DASHBOARD["templating"]["list"] if one["type"] == "datasource"]
    asking: list[Any] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    asking += [target for panel in asking for target in panel["targets"]]
    asking += [one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    assert {one["datasource"]["uid"] for one in asking} == {f"${{{chosen['name']}}}"}


def test_no_panel_of_the_dashboard_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
