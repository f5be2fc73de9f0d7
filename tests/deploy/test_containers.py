"""Images, compose file and manifests: nothing here runs them; their programs' own schemas and rules judge them."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import lightkube.codecs
import msgspec
import pyseccomp as seccomp
import pytest
from compose_spec import PyCompose
from messenger_hub_server import config

from tests.deploy.files import DEPLOY, ROOT, documents
from tests.integration.server import authority

MANIFESTS = [(name, one) for name in ("server", "agent", "nodes") for one in documents(f"kubernetes/{name}.yaml")]
SETS = [one for _, one in MANIFESTS if one["kind"] == "StatefulSet"]
ALONE = [one for name, one in MANIFESTS if one["kind"] == "StatefulSet" and name != "nodes"]
COMPOSE = documents("docker/compose.yml")[0]
DOCKERFILE = (DEPLOY / "docker/Dockerfile").read_text()


def pods() -> list[Any]:
    return [one["spec"]["template"]["spec"] for one in SETS]


def test_the_dockerfile_has_nothing_that_its_linter_minds() -> None:
    told = subprocess.run(["hadolint", DEPLOY / "docker/Dockerfile"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


def test_no_image_runs_as_root_and_each_has_an_init() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    named = {re.match(r"\S+ AS (\w+)", stage)[1]: stage for stage in stages}  # type: ignore[index]
    assert set(named) == {"build", "base", "server", "agent"}
    for name in ("server", "agent"):
        assert "\nUSER 10001:10001\n" in named[name]
        assert named[name].startswith("base AS")
    assert 'ENTRYPOINT ["tini", "--", "messenger-hub"]' in named["base"]
    assert "/readyz" in named["server"]


def test_what_the_build_needs_is_not_kept_from_it() -> None:
    kept = (DEPLOY / "docker/Dockerfile.dockerignore").read_text().splitlines()
    packages = re.findall(r'^  "(\w+)/\w+",$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    wanted = {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", *packages}
    assert {f"!{name}" for name in wanted} <= set(kept)
    assert "!proto" in kept


def test_compose_understands_the_file() -> None:
    known = {name for name in COMPOSE if not name.startswith("x-")}
    understood = PyCompose.from_json(json.dumps({name: COMPOSE[name] for name in known}))
    assert set(understood.service_names()) == {"server", "agent", "proxy", "prometheus", "grafana"}


def test_compose_publishes_nothing_without_tls_to_other_machines() -> None:
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", ()):
            assert str(port).startswith("127.0.0.1:") or (name, port) == ("proxy", "443:443")


def test_every_file_that_compose_mounts_is_there_or_is_made_by_its_reader() -> None:
    made = {"./tls", "./metrics-token"}  # the certificate, and the copy of the token
    mounts = [mount.split(":")[0] for one in COMPOSE["services"].values() for mount in one.get("volumes", ())]
    for source in {mount for mount in mounts if mount.startswith(".")} - made:
        assert (DEPLOY / "docker" / source).is_file(), source
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    readme = (DEPLOY / "README.md").read_text()
    assert all(name.removeprefix("./") in readme for name in made)


def test_ours_run_without_privileges_in_compose() -> None:
    for name in ("server", "agent"):
        service = COMPOSE["services"][name]
        assert (service["cap_drop"], service["read_only"]) == (["ALL"], True)
        assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", ["nginx.conf", "nginx-nodes.conf", "nginx-metrics.conf"])
def test_nginx_understands_its_configuration(name: str, tmp_path: Any) -> None:
    written = (DEPLOY / "docker" / name).read_text()
    made = authority.make(tmp_path)
    made.certificate.rename(tmp_path / "fullchain.pem")
    made.key.rename(tmp_path / "privkey.pem")
    # Its upstream is a name of the compose network, and its port is the administrator's.
    here = written.replace("/etc/nginx/tls", str(tmp_path)).replace("//server:", "//127.0.0.1:").replace("443", "10443")
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ {proxy_folders(tmp_path)} {here} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    told = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


def proxy_folders(folder: Any) -> str:
    """Where nginx may write without being root."""
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{name}_temp_path {folder}/{name};" for name in names)


def unknown(given: Any, understood: Any, place: str = "") -> list[str]:
    """Where a manifest says what Kubernetes does not know, which is gone from what was understood of it."""
    if isinstance(given, dict) and isinstance(understood, dict):
        inside = [unknown(one, understood.get(key), f"{place}.{key}") for key, one in given.items()]
    elif isinstance(given, list) and isinstance(understood, list) and len(given) == len(understood):
        pairs = zip(given, understood, strict=True)
        inside = [unknown(one, kept, f"{place}[{n}]") for n, (one, kept) in enumerate(pairs)]
    else:
        return [] if given == understood else [place]
    return [found for part in inside for found in part]


def understood(manifest: Any) -> Any:
    """What Kubernetes takes from it. Raises where a field is missing or of another type."""
    return lightkube.codecs.from_dict(manifest).to_dict()


@pytest.mark.parametrize(("name", "manifest"), MANIFESTS, ids=lambda one: one if isinstance(one, str) else one["kind"])
def test_kubernetes_understands_a_manifest(name: str, manifest: Any) -> None:
    assert unknown(manifest, understood(manifest)) == [], name


def test_a_manifest_that_is_wrong_is_found() -> None:
    wrong = json.loads(json.dumps(SETS[0]))
    wrong["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    assert unknown(wrong, understood(wrong)) == [".spec.template.spec.containers[0].redinessProbe"]
    wrong["spec"]["replicas"] = "two"
    with pytest.raises(msgspec.ValidationError, match="replicas"):
        understood(wrong)
    del wrong["spec"]["replicas"], wrong["spec"]["selector"]
    with pytest.raises(msgspec.ValidationError, match="selector"):
        understood(wrong)


def test_every_container_of_a_pod_runs_without_privileges() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"]["type"] in {"RuntimeDefault", "Localhost"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_there_is_one_pod_of_what_is_alone() -> None:
    assert [one["spec"]["replicas"] for one in ALONE] == [1, 1]


def test_the_data_folder_of_each_pod_is_in_its_volume() -> None:
    for one in SETS:
        container = one["spec"]["template"]["spec"]["containers"][0]
        folders = {variable["name"]: variable.get("value") for variable in container["env"]}
        (claim,) = one["spec"]["volumeClaimTemplates"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert folders["MESSENGER_HUB_DATA_DIR"].startswith(f"{mounts[claim['metadata']['name']]}/")


@pytest.mark.parametrize("name", ["server", "nodes"])
def test_services_and_probes_use_ports_that_the_pod_has(name: str) -> None:
    services = [one for file, one in MANIFESTS if one["kind"] == "Service" and file == name]
    (pod,) = [
        one["spec"]["template"]["spec"] for file, one in MANIFESTS if one["kind"] == "StatefulSet" and file == name
    ]
    ports = {port["name"]: port["containerPort"] for one in pod["containers"] for port in one["ports"]}
    assert {port["targetPort"]: port["port"] for one in services for port in one["spec"]["ports"]} == ports
    server = pod["containers"][0]
    probes = {name: probe["httpGet"] for name, probe in server.items() if name.endswith("Probe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz",
    }  # fmt: skip
    assert {probe["port"] for probe in probes.values()} == {"http"}


def test_a_stop_is_given_longer_than_the_server_takes() -> None:
    (longest,) = [int(one.default.strip("`")) for one in config.described() if one.name == "stop_seconds"]
    assert all(pod["terminationGracePeriodSeconds"] > longest for pod in pods())
    assert int(COMPOSE["services"]["server"]["stop_grace_period"].removesuffix("s")) > longest


def test_the_browsers_profile_names_system_calls_and_leaves_those_of_its_sandbox_alone() -> None:
    (rule,) = json.loads((DEPLOY / "docker/chromium-seccomp.json").read_text())["syscalls"]
    assert rule["action"] == "SCMP_ACT_ERRNO"
    named = set(rule["names"])
    assert {"mount", "bpf", "init_module", "kexec_load", "keyctl", "reboot"} <= named
    assert named.isdisjoint({"clone", "clone3", "unshare", "chroot", "capset", "seccomp"})
    # libseccomp answers -1 for a name that no machine has; other machines' calls have numbers below that.
    assert [one for one in named if seccomp.resolve_syscall(seccomp.system_arch(), one) == -1] == []
