"""Every file of deploy/ is what its reader takes, and every setting in it is one of ours."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from monitor.configured import configure
from monitor.settings import load_settings
from tests.commands.test_cli import slawatch

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES = ("1.29", "1.34")  # the oldest and the newest that the manifests are written for
WITH_PODS = {"StatefulSet", "Deployment", "Job"}


def compose():
    return yaml.safe_load(COMPOSE.read_text("utf-8"))


def objects():
    """What is in the manifests, but for kustomize's own."""
    found = [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text("utf-8"))]
    return [one for one in found if one["kind"] != "Kustomization"]


def of_kind(*kinds):
    return [one for one in objects() if one["kind"] in kinds]


def pods():
    """Name → what a pod of it is."""
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in of_kind(*WITH_PODS)}


def environment_of_unit(path, number="3"):
    """Of a unit of systemd, with what it fills in."""
    lines = re.findall(r"^Environment=(\S+)$", path.read_text("utf-8"), re.MULTILINE)
    filled = [line.replace("%i", number).replace("%H", "host").replace("%d", "/run/creds") for line in lines]
    return dict(line.split("=", 1) for line in filled)


def unset(value):
    """What compose makes of a value while nothing is set outside."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def environments():
    """Where settings come from the environment: (place, variables)."""
    for name, service in compose()["services"].items():
        if service["image"] == "slawatch":
            yield f"compose {name}", {key: unset(value) for key, value in service["environment"].items()}
    shared = of_kind("ConfigMap")[0]["data"]
    for name, pod in pods().items():
        own = {one["name"]: one.get("value", name) for one in pod["containers"][0].get("env", [])}
        yield f"kubernetes {name}", shared | own
    for path in UNITS:
        yield f"systemd {path.name}", environment_of_unit(path)


PLACES = dict(environments())


@pytest.mark.parametrize("place", PLACES)
def test_every_setting_is_one_of_ours(place, monkeypatch):
    """A key that is renamed fails here: the settings refuse what they do not know."""
    for name in [name for name in os.environ if name.startswith("SLAWATCH_")]:
        monkeypatch.delenv(name)
    assert all(name.startswith("SLAWATCH_") for name in PLACES[place])
    for name, value in PLACES[place].items():
        monkeypatch.setenv(name, value)
    settings = load_settings(DEPLOY / "slawatch.yaml")
    assert bool(settings.kafka.instance) == ("worker" in place), "each worker has a name that stays"
    if place != "systemd slawatch.service":
        assert settings.postgres.password_file is not None
        assert settings.postgres.password is None, "a password is a file, and never in clear"


def test_the_configuration_of_a_cluster_goes_with_what_init_writes(tmp_path):
    assert slawatch("init", str(tmp_path / "conf")).returncode == 0
    shutil.copy(DEPLOY / "slawatch.yaml", tmp_path / "conf")
    settings = load_settings(tmp_path / "conf" / "slawatch.yaml")
    configured = configure(settings, tmp_path / "conf")
    assert configured.plan.rules.rules, "the starter rules are in force"


def test_the_compose_file_is_one():
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(COMPOSE),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_compose_service_names_is_there():
    file = compose()
    services, secrets, volumes = file["services"], file["secrets"], file["volumes"]
    assert {"kafka", "postgres", "worker-1", "worker-2", "desk", "influxdb", "grafana"} <= services.keys()
    for name, service in services.items():
        assert service["healthcheck"], f"{name} has a health check"
        taken = [one if isinstance(one, str) else one["source"] for one in service.get("secrets", [])]
        assert set(taken) <= secrets.keys()
        assert set(service.get("depends_on", {})) <= services.keys()
        for volume in service.get("volumes", []):
            where = unset(volume).split(":")[0]
            assert where in volumes or where == "../conf" or (DEPLOY / where).exists(), volume
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "what has no TLS is for this machine"
    made = (DEPLOY / "secrets.sh").read_text("utf-8")
    for secret in secrets.values():
        assert Path(secret["file"]).name in made
    instances = [
        services[name]["environment"]["SLAWATCH_KAFKA__INSTANCE"] for name in ("worker-1", "worker-2")
    ]
    assert len(set(instances)) == 2


def test_one_service_builds_the_image_and_the_others_take_it():
    """Several that build one image at once fail each other on a new machine; a pull would be a stranger's."""
    ours = {name: one for name, one in compose()["services"].items() if one["image"] == "slawatch"}
    assert [name for name, one in ours.items() if "build" in one] == ["topics"]
    assert {one["pull_policy"] for one in ours.values()} == {"never"}
    assert all("topics" in one["depends_on"] for name, one in ours.items() if name != "topics")


def test_the_health_check_of_a_container_asks_whether_it_lives():
    told, *asked = compose()["services"]["desk"]["healthcheck"]["test"]
    assert told == "CMD"
    paths = []

    class Alive(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(200 if len(paths) == 1 else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Alive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = [sys.executable, *asked[1:-1], asked[-1].replace(":8700/", f":{server.server_port}/")]
        codes = [subprocess.run(here, capture_output=True, check=False).returncode for _ in range(2)]
        server.shutdown()
    assert (codes, paths) == ([0, 1], ["/healthz", "/healthz"])


def test_the_secrets_of_the_compose_file_are_made_once_and_work(tmp_path, monkeypatch):
    shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    shutil.copy(DEPLOY / "slawatch.yaml", tmp_path)
    monkeypatch.setenv("SLAWATCH", f"{sys.executable} -m monitor")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))

    def make():
        done = subprocess.run(
            ["sh", "secrets.sh", "erp", "prometheus"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    shown, made = make()
    assert made.keys() == {Path(one["file"]).name for one in compose()["secrets"].values()}
    passwords = [text for name, text in made.items() if name != "tokens.json"]
    assert all(re.fullmatch(r"[0-9a-f]{48}", text) for text in passwords)
    assert len(set(passwords)) == len(passwords)
    assert re.fullmatch(r"erp slw_\S+\nprometheus slw_\S+\n", shown)
    assert make() == ("", made), "what is there stays"


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("one", objects(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_a_manifest_is_one_of_kubernetes(one, version):
    kubernetes_validate.validate(json.loads(json.dumps(one)), version, strict=True)


def test_what_is_applied_is_all_there_is():
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == [path.name for path in MANIFESTS]


def test_pods_have_no_rights_and_their_mounts_are_there():
    for name, pod in pods().items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        claims = next(one for one in of_kind(*WITH_PODS) if one["metadata"]["name"] == name)["spec"]
        there = [one["name"] for one in pod["volumes"]]
        there += [one["metadata"]["name"] for one in claims.get("volumeClaimTemplates", [])]
        assert {one["name"] for one in container["volumeMounts"]} == set(there)
        assert container["resources"]["limits"]["memory"]
        if name != "slawatch-topics":
            probes = {
                f"{kind}Probe": container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")
            }
            paths = [probe["httpGet"]["path"] for probe in probes.values()]
            assert paths == ["/healthz", "/healthz", "/readyz"]


def commands():
    """What containers of our image are told to do, by place."""
    for name, service in compose()["services"].items():
        if service["image"] == "slawatch":
            yield f"compose {name}", service["command"]
    for name, pod in pods().items():
        yield f"kubernetes {name}", pod["containers"][0]["args"]
    image = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert json.loads(re.search(r"^ENTRYPOINT (.*)$", image, re.MULTILINE)[1]) == ["slawatch"]
    yield "image", json.loads(re.search(r"^CMD (.*)$", image, re.MULTILINE)[1])


@pytest.mark.parametrize(
    ("place", "told"), [*commands()], ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_a_container_is_told_to_do_is_a_command_of_ours(place, told):
    done = slawatch(*told, "--help")
    assert done.returncode == 0, f"{place}: {done.stderr}"
    assert done.stdout.startswith(f"Usage: slawatch {' '.join(told)}"), place


def test_ports_that_are_named_are_the_one_that_is_listened_on():
    """By the pods, what finds them, the image, and who scrapes them."""
    listen = (
        of_kind("ConfigMap")[0]["data"].get("SLAWATCH_LISTEN")
        or load_settings(DEPLOY / "slawatch.yaml").listen
    )
    port = int(listen.rpartition(":")[2])
    for name, pod in pods().items():
        named = {one["name"]: one["containerPort"] for one in pod["containers"][0].get("ports", [])}
        assert set(named.values()) <= {port}, name
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe := pod["containers"][0].get(kind):
                asked = probe["httpGet"]["port"]
                assert named.get(asked, asked) == port, f"{name}: {kind}"
    for service in of_kind("Service"):
        names = {
            name: port
            for pod in pods().values()
            for name in [p["name"] for p in pod["containers"][0].get("ports", [])]
        }
        for one in service["spec"]["ports"]:
            target = one.get("targetPort", one["port"])
            assert names.get(target, target) == port, service["metadata"]["name"]
    image = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^EXPOSE (.*)$", image, re.MULTILINE) == [str(port)]


def test_selectors_choose_the_pods_they_are_for_and_no_others():
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in of_kind(*WITH_PODS)
    }
    for one in of_kind("Service", "PodDisruptionBudget", "StatefulSet", "Deployment"):
        selector = one["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        chosen = [name for name, found in labels.items() if wanted.items() <= found.items()]
        assert chosen == [one["metadata"]["name"].removesuffix("s")]


def test_units_are_what_systemd_takes(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze: install systemd")
    for path in UNITS:  # it looks for the program, which is not installed here
        text = path.read_text("utf-8").replace("/opt/slawatch/bin/slawatch", sys.executable)
        (tmp_path / path.name.replace("@", "@3")).write_text(text)
    units = sorted(map(str, tmp_path.glob("*.service")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "slawatch" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_ended_when_it_hangs_and_started_again(path):
    unit = configparser.RawConfigParser(strict=False, allow_no_value=True)
    unit.optionxform = str
    unit.read(path, "utf-8")
    service = unit["Service"]
    assert service["Type"] == "notify", "it says READY=1 once it answers"
    assert int(service["WatchdogSec"]) >= 45, "longer than a stop may take, in which nothing is told"
    assert service["Restart"] == "always"
    command = service["ExecStart"].split()
    assert slawatch(command[-1], "--help").returncode == 0
    assert command[0] == "/opt/slawatch/bin/slawatch"


def test_the_image_holds_what_runs_as_nobody():
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert len(stages) == 2
    assert re.search(r"^USER 10001:10001$", stages[1], re.MULTILINE)
    assert "SLAWATCH_COMPILE=1" in stages[0], "the modules are compiled"
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    taken = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = set(" ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", stages[0], re.MULTILINE)).split())
    assert copied == taken
    assert all((ROOT / name).exists() for name in copied)


def test_all_that_the_image_installs_is_in_the_lock_and_taken_by_its_hash():
    text = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    pip = re.findall(r"/pip (.*?)(?: &&|$)", text, re.MULTILINE)
    assert len(pip) == 4
    assert all("--require-hashes" in one or "--no-index" in one for one in pip), (
        "nothing comes without its hash"
    )
    extras = re.search(r"slawatch\[([a-z,]+)\]", pip[-1])[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    assert {*extras, "dev"} == optional.keys(), "nothing there says that an extra is missing"
    wanted = {name_of(one) for one in [*project["dependencies"], *(o for e in extras for o in optional[e])]}
    lock = (ROOT / "requirements-dev.lock").read_text("utf-8")
    locked = {name_of(line) for line in lock.splitlines() if "==" in line}
    assert wanted - locked == set(), "what they need is in the lock with them"


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


CLEAR = re.compile(
    r"""\w*(?:password|token|secret)[ ]*[:=][ ]*["']?(?![/$\[{&])[\w+/-]{8,} | ://[^/\s]*:[^/\s]+@""",
    re.IGNORECASE | re.VERBOSE,
)


def test_no_secret_is_in_clear():
    assert CLEAR.search("POSTGRES_PASSWORD: correct-horse")
    assert CLEAR.search("postgresql://slawatch:correct-horse@postgres/slawatch")
    folders = {"secrets", "__pycache__"}  # those in a checkout, and no part of what is delivered
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.parent.name not in folders]
    assert {path.name: CLEAR.findall(path.read_text("utf-8")) for path in files} == {
        path.name: [] for path in files
    }
