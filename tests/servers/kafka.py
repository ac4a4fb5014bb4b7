"""A real broker for tests: Apache Kafka of one node, from its Maven artifacts, on loopback and free ports.

It has two listeners: one that takes anybody, who may do everything, and one that demands TLS and a name
(SCRAM or PLAIN), whose rights are those that a test gives. Artifacts are fetched once, outside the checkout.
"""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.servers.shared import shared
from tests.waiting import PATIENCE_S, end_of, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION = "4.3.1"
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slawatch"
USER, PASSWORD = "shop-floor", "correct-horse-4"
HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
LOG4J = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
BROKER = (f"org.apache.kafka:kafka_2.13:{VERSION}", LOG4J)

POM = """
<project><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>{}</dependencies></project>
"""
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"

LOGGING = """
Configuration:
  Appenders:
    Console: {name: STDOUT, PatternLayout: {pattern: "%d %p %m (%c)%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: STDOUT}}
"""

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
listeners=OPEN://127.0.0.1:{port},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=OPEN://127.0.0.1:{port},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=OPEN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.secure.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.location={folder}/broker.p12
listener.name.secure.ssl.keystore.password={password}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs={folder}/data
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


def missing() -> str:
    """Why the broker cannot run on this machine; empty: it can."""
    for tool in ("java", "keytool"):
        if shutil.which(tool) is None:
            return f"no {tool}: install a Java runtime of version 17 or newer (Debian: default-jre-headless)"
    if not (HOME / f"kafka-{VERSION}" / "complete").exists() and shutil.which("mvn") is None:
        return "no mvn to fetch Kafka's artifacts with (Debian: maven)"
    return ""


def installed(name: str = "kafka", artifacts: Sequence[str] = BROKER) -> Path:
    """Where the jars are; fetched at the first call on a machine, by one process at a time.

    Args:
        name: Of the folder in the cache, before the version.
        artifacts: ``group:artifact:version``; what they need comes with them.
    """
    cache = HOME / f"{name}-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "complete").exists():
            wanted = "".join(DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
            (cache / "pom.xml").write_text(POM.format(wanted))
            copy = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
            where = f"-DoutputDirectory={cache / 'jars'}"
            _run(["mvn", "-q", "-B", "-f", str(cache / "pom.xml"), *copy, where], within_s=600)
            (cache / "complete").touch()
    return cache / "jars"


@dataclass(frozen=True, slots=True)
class Broker:
    """What a test knows of a broker that is not its own.

    Args:
        bootstrap: Where anybody is taken.
        secure_bootstrap: Where TLS and ``USER`` with ``PASSWORD`` are demanded.
        authority: The certificate to trust, PEM.
    """

    bootstrap: str
    secure_bootstrap: str
    authority: Path


@contextmanager
def common(run: Path) -> Iterator[Broker]:
    """The one broker of a test run, whose processes have the folder ``run`` in common."""

    @contextmanager
    def start() -> Iterator[dict[str, str]]:
        with Kafka(run / "kafka") as one:
            yield {
                "bootstrap": one.bootstrap,
                "secure_bootstrap": one.secure_bootstrap,
                "authority": str(one.authority),
            }

    with shared(run / "kafka", start) as where:
        yield Broker(where["bootstrap"], where["secure_bootstrap"], Path(where["authority"]))


class Kafka:
    """One broker in ``folder``; as a context manager it leaves no process behind.

    Args:
        folder: Where it keeps all of its own.
        java: Options of its machine; those of tests make it start early, not run fast.
        more: Lines of its properties, in place of those of tests; until it is started first.
        cluster: The name that Kafka has for its cluster; empty: one of its own, a new one on new disks.
    """

    def __init__(self, folder: Path, java: Sequence[str] = HEAP, more: str = "", cluster: str = "") -> None:
        self._folder, self._jars, self._java, self.more, self._cluster = (
            folder,
            installed(),
            java,
            more,
            cluster,
        )
        self._process: subprocess.Popen[bytes] | None = None
        with ExitStack() as probes:  # held together, so that the three differ
            ports = [_bound(probes.enter_context(socket.socket())) for _ in range(3)]
        self._port, self._secure, self.controller = ports
        self._make_certificate()

    @property
    def bootstrap(self) -> str:
        """Where anybody is taken."""
        return f"127.0.0.1:{self._port}"

    @property
    def secure_bootstrap(self) -> str:
        """Where TLS and ``USER`` with ``PASSWORD`` are demanded."""
        return f"127.0.0.1:{self._secure}"

    @property
    def authority(self) -> Path:
        """The certificate to trust, PEM."""
        return self._folder / "authority.pem"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until this very process answers."""
        if not (self._folder / "data").exists():
            self._format()
        log4j = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.yaml'}"
        command = ["java", *self._java, log4j, "-cp", f"{self._jars}/*", "kafka.Kafka", str(self._properties)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        eventually(self._answers, what="the broker's answer", log=self._folder / "log")

    def stop(self) -> None:
        """Let it end in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a power switch does it to a process."""
        self._end(signal.SIGKILL)

    def lose_disks(self) -> None:
        """Kill it; what starts afterwards on the same ports is a new, empty cluster."""
        self.kill()
        shutil.rmtree(self._folder / "data")

    def log_of(self, topic: str, partition: int) -> Path:
        """The file of a partition that was never rolled."""
        return self._folder / "data" / f"{topic}-{partition}" / f"{0:020d}.log"

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, end_of(self._folder / "log")
        for port in (self._port, self._secure):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    return False
        return True

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _make_certificate(self) -> None:
        store = ["-keystore", str(self._folder / "broker.p12"), "-storepass", PASSWORD, "-alias", "broker"]
        extensions = ["-ext", "san=ip:127.0.0.1,dns:localhost", "-ext", "bc:c=ca:true"]
        made = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost", "-validity", "30"]
        _run(["keytool", *made, *extensions, *store])
        _run(["keytool", "-exportcert", "-rfc", "-file", str(self.authority), *store])

    def _format(self) -> None:
        places = {"port": self._port, "secure": self._secure, "controller": self.controller}
        text = PROPERTIES.format(**places, folder=self._folder, user=USER, password=PASSWORD)
        self._properties.write_text(f"{text}\n{self.more}\n")
        (self._folder / "log4j2.yaml").write_text(LOGGING)
        command = ["java", *HEAP, "-cp", f"{self._jars}/*", "kafka.tools.StorageTool", "format"]
        options = ["-t", self._cluster or new_cluster(), "-c", str(self._properties)]
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            options += ["--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]"]
        _run([*command, *options])


def new_cluster() -> str:
    """A name that Kafka takes for a cluster."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").lstrip("-").ljust(22, "A")


def _bound(probe: socket.socket) -> int:
    probe.bind(("127.0.0.1", 0))
    return int(probe.getsockname()[1])


def _run(command: list[str], within_s: float = PATIENCE_S) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2_000:]}{done.stderr[-2_000:]}"
