"""What runs three nodes on one database: the files agree with each other, and the proxy repeats only what no node can have done."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from compose_spec import PyCompose
from messenger_hub_server import config

from tests.deploy.files import DEPLOY, documents
from tests.deploy.test_containers import proxy_folders
from tests.e2e.whole_way.world import free_port
from tests.integration.server import authority

COMPOSE = documents("docker/nodes.yml")[0]
SERVICES: Mapping[str, Any] = COMPOSE["services"]
NODES = [name for name in SERVICES if name.startswith("server-")]
MONITORING = {name for name in SERVICES if SERVICES[name].get("profiles") == ["monitoring"]}
METRICS = [name for name in MONITORING if name.startswith("metrics-")]
PROXY = (DEPLOY / "docker/nginx-nodes.conf").read_text()
MANIFESTS = documents("kubernetes/nodes.yaml")
(SET,) = (one for one in MANIFESTS if one["kind"] == "StatefulSet")
SECONDS = 20
SEND = "/api/whatsapp-session/send"


def address(name: str) -> str:
    return str(SERVICES[name]["networks"]["hub"]["ipv4_address"])


def test_compose_understands_the_file() -> None:
    known = {name: COMPOSE[name] for name in COMPOSE if not name.startswith("x-")}
    assert set(PyCompose.from_json(json.dumps(known)).service_names()) == {
        "postgresql",
        *NODES,
        "proxy",
        "agent",
        *METRICS,
        "prometheus",
        "grafana",
    }
    assert len(NODES) == 3


def test_only_the_proxy_can_be_reached_from_elsewhere() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "proxy": ["443:443"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_the_proxy_knows_every_node_and_every_node_knows_the_proxy() -> None:
    for upstream, port in (("hub_http", 8642), ("hub_grpc", 8643)):
        (block,) = re.findall(rf"upstream {upstream} \{{(.+?)\}}", PROXY, re.DOTALL)
        assert re.findall(r"server (\S+) ", block) == [f"{address(name)}:{port}" for name in NODES]
    for name in NODES:
        settings = SERVICES[name]["environment"]
        assert settings["MESSENGER_HUB_TRUSTED_PROXIES"] == address("proxy")
        assert settings["MESSENGER_HUB_STORE"].endswith(f"@{address('postgresql')}/hub")
    assert SERVICES["agent"]["extra_hosts"] == {"hub.example.org": address("proxy")}


def test_nodes_differ_in_their_data_folder_and_their_address_alone() -> None:
    shared = [
        {key: value for key, value in SERVICES[name].items() if key not in {"volumes", "networks"}} for name in NODES
    ]
    assert shared[0] == shared[1] == shared[2]
    folders = [SERVICES[name]["volumes"] for name in NODES]
    assert all(mounted[0].endswith(":/data") and len(mounted) == 1 for mounted in folders)
    assert len({mounted[0] for mounted in folders}) == len({address(name) for name in NODES}) == 3


def test_every_file_and_volume_that_compose_mounts_is_there_or_is_told_of() -> None:
    told = (DEPLOY / "docker/nodes.yml").read_text().partition("name:")[0]
    mounts = [mount.split(":")[0] for one in SERVICES.values() for mount in one.get("volumes", ())]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    made = {"./tls", "./metrics-token"}
    for mount in {mount for mount in mounts if mount.startswith(".")} - made:
        assert (DEPLOY / "docker" / mount).is_file(), mount
    assert "tls/" in told
    assert "> metrics-token" in (DEPLOY / "README.md").read_text()
    assert COMPOSE["secrets"] == {"hub-secrets": {"file": "./hub-secrets"}}
    assert "secrets make /out/hub-secrets" in told


def test_prometheus_reads_every_node_as_an_instance_of_one_hub() -> None:
    (job,) = documents("prometheus/prometheus-nodes.yml")[0]["scrape_configs"]
    (targets,) = [one["targets"] for one in job["static_configs"]]
    (port,) = re.findall(r"listen (\d+);", (DEPLOY / "docker/nginx-metrics.conf").read_text())
    assert targets == [f"{name}:{port}" for name in NODES]
    shares = {SERVICES[name]["network_mode"]: SERVICES[name]["depends_on"] for name in METRICS}
    assert shares == {f"service:{name}": {name: {"condition": "service_started", "restart": True}} for name in NODES}


def test_grafana_asks_the_prometheus_beside_it() -> None:
    (source,) = documents("grafana/provisioning/datasources.yml")[0]["datasources"]
    variable = source["url"].removeprefix("$")
    for file, beside in (("nodes.yml", "prometheus"), ("compose.yml", "server")):
        told = documents(f"docker/{file}")[0]["services"]["grafana"]["environment"]
        assert told == {variable: f"http://{beside}:9090"}


def test_the_password_is_asked_for_and_stands_nowhere() -> None:
    text = (DEPLOY / "docker/nodes.yml").read_text()
    assert set(re.findall(r"PASSWORD\S*: (\S+)", text)) == {"${DATABASE_PASSWORD:?write"}
    assert set(re.findall(r"//hub:(\S+)", text)) == {"${DATABASE_PASSWORD:?write"}


def test_ours_run_without_privileges_in_compose() -> None:
    for name in (*NODES, "agent"):
        assert (SERVICES[name]["cap_drop"], SERVICES[name]["read_only"]) == (["ALL"], True)
        assert "no-new-privileges:true" in SERVICES[name]["security_opt"]


def test_a_node_is_given_longer_to_stop_than_it_takes() -> None:
    (longest,) = [int(one.default.strip("`")) for one in config.described() if one.name == "stop_seconds"]
    assert all(int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > longest for name in NODES)
    pod = SET["spec"]["template"]["spec"]
    waits = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > waits + longest


def test_the_image_of_a_node_can_speak_to_postgresql() -> None:
    assert 'find-links=/wheels "messenger-hub[postgresql]"' in (DEPLOY / "docker/Dockerfile").read_text()


def test_a_pod_finds_its_secrets_where_they_are_mounted() -> None:
    pod = SET["spec"]["template"]["spec"]
    server = pod["containers"][0]
    settings = {one["name"]: one for one in server["env"]}
    (mount,) = [one for one in server["volumeMounts"] if one["name"] == "secrets"]
    (volume,) = [one["secret"] for one in pod["volumes"] if one["name"] == "secrets"]
    assert [f"{mount['mountPath']}/{item['path']}" for item in volume["items"]] == [
        settings["MESSENGER_HUB_SECRETS"]["value"]
    ]
    store = settings["MESSENGER_HUB_STORE"]["valueFrom"]["secretKeyRef"]
    asked = {store["key"], *(item["key"] for item in volume["items"])}
    assert store["name"] == volume["secretName"]
    head = (DEPLOY / "kubernetes/nodes.yaml").read_text().partition("apiVersion")[0]
    assert set(re.findall(r"--from-file=([\w-]+)", head)) == asked
    assert f"create secret generic {store['name']} " in head
    # Readable for the group of the pod's files, and for nobody else.
    assert volume["defaultMode"] == 0o440
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def test_three_pods_are_replaced_and_drained_one_at_a_time() -> None:
    spec = SET["spec"]
    (budget,) = [one["spec"] for one in MANIFESTS if one["kind"] == "PodDisruptionBudget"]
    assert (spec["replicas"], budget["maxUnavailable"]) == (3, 1)
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    labels = spec["template"]["metadata"]["labels"]
    selectors = [one["spec"]["selector"] for one in MANIFESTS if one["kind"] == "Service"]
    assert [budget["selector"]["matchLabels"], spec["selector"]["matchLabels"], *selectors] == [labels] * 4
    assert spec["serviceName"] in {one["metadata"]["name"] for one in MANIFESTS if one["kind"] == "Service"}


class Node:
    """Stands for a node at the proxy: counts what reached it, and answers, or hangs up once it has read the request."""

    def __init__(self, *, answers: bool) -> None:
        self.seen: list[str] = []
        self._answers = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            self.seen.append(head.partition(" ")[0])
            if not self._answers:
                break
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        writer.close()


@asynccontextmanager
async def proxied(folder: Path, nodes: Sequence[Node]) -> AsyncIterator[str]:
    """nginx with the configuration of deploy/, its nodes on loopback; those beyond `nodes` do not listen."""
    made, port = authority.make(folder), free_port()
    made.certificate.rename(folder / "fullchain.pem")
    made.key.rename(folder / "privkey.pem")
    async with AsyncExitStack() as stack:
        here = PROXY.replace("/etc/nginx/tls", str(folder)).replace("listen 443", f"listen 127.0.0.1:{port}")
        here = here.replace("/dev/stdout", str(folder / "access.log"))
        for name, node in zip(NODES, [*nodes, *[None] * 3], strict=False):
            there = free_port()
            if node is not None:
                server = await asyncio.start_server(node.serve, "127.0.0.1", there)
                await stack.enter_async_context(server)
            here = here.replace(f"{address(name)}:8642", f"127.0.0.1:{there}")
        whole = f"pid {folder}/pid; daemon off; error_log {folder}/error.log; events {{}} http {{ {proxy_folders(folder)} {here} }}"
        (folder / "nginx.conf").write_text(whole)
        nginx = await asyncio.create_subprocess_exec("nginx", "-c", str(folder / "nginx.conf"))
        try:
            await listens(port)
            yield f"https://127.0.0.1:{port}"
        finally:
            nginx.terminate()
            await nginx.wait()


async def listens(port: int) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.to_thread(Path("/proc/self/stat").read_bytes)
                continue
            writer.close()
            return


async def statuses(at: str, method: str, count: int, path: str = SEND) -> list[int]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as client:
        found = []
        for _ in range(count):
            async with client.request(method, f"{at}{path}", data=b"{}" if method == "POST" else None) as answer:
                found.append(answer.status)
        return found


async def test_calls_are_spread_over_the_nodes(tmp_path: Path) -> None:
    nodes = [Node(answers=True) for _ in NODES]
    async with proxied(tmp_path, nodes) as at:
        assert await statuses(at, "POST", 12) == [201] * 12
    assert all(node.seen for node in nodes)


async def test_a_node_that_is_gone_costs_no_message(tmp_path: Path) -> None:
    alive = Node(answers=True)
    async with proxied(tmp_path, [alive]) as at:
        assert await statuses(at, "POST", 8) == [201] * 8
    assert alive.seen == ["POST"] * 8


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_message_that_a_dying_node_may_have_taken_is_given_to_no_other(tmp_path: Path, method: str) -> None:
    nodes = [Node(answers=False) for _ in NODES]
    async with proxied(tmp_path, nodes) as at:
        assert await statuses(at, method, 1) == [502]
    assert sum(len(node.seen) for node in nodes) == 1


async def test_a_read_that_a_dying_node_had_is_asked_of_another_one(tmp_path: Path) -> None:
    nodes = [Node(answers=False) for _ in NODES]
    async with proxied(tmp_path, nodes) as at:
        assert await statuses(at, "GET", 1, "/api/whatsapp-session/operations") == [502]
    assert sum(len(node.seen) for node in nodes) == 3
