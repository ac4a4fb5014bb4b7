"""The link to Kafka as each client wants to be told of it."""

from __future__ import annotations

import logging
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from monitor.configuration import ConfigurationError
from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faust.auth import Credentials

    from monitor.settings_cluster import KafkaSettings


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """Where the brokers are, and how we show who we are; the password is never shown."""

    brokers: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    mechanism: str = ""  # of SASL, in capitals; empty: none
    user: str = ""
    password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """Options that kafka-python and aiokafka have in common."""
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.brokers),
            "security_protocol": ("SASL_" if self.mechanism else "") + ("SSL" if self.tls else "PLAINTEXT"),
        }
        if self.tls is not None:
            options["ssl_context"] = self.tls
        if self.mechanism:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options

    def credentials(self) -> Credentials | None:
        """The same for Faust."""
        from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - slow, and only workers need it

        if self.mechanism:
            return SASLCredentials(
                username=self.user,
                password=self.password,
                mechanism=self.mechanism,
                ssl_context=self.tls,
            )
        return SSLCredentials(self.tls) if self.tls is not None else None


def link_of(settings: KafkaSettings, base: Path) -> Link:
    """The link that the settings describe, its certificates and password read.

    Args:
        settings: Of Kafka.
        base: What relative paths in them are relative to.

    Raises:
        ConfigurationError: A file cannot be read, or is not what it should be.
    """
    return Link(
        brokers=tuple(broker.strip() for broker in settings.brokers.split(",")),
        tls=_context(settings, base) if settings.tls else None,
        mechanism="" if settings.sasl == "none" else settings.sasl.upper(),
        user=settings.user,
        password=settings.read_password(base) if settings.sasl != "none" else "",
    )


def _context(settings: KafkaSettings, base: Path) -> ssl.SSLContext:
    name, path = "ca_file", settings.ca_file
    try:
        context = ssl.create_default_context(cafile=base / path if path else None)
        if settings.cert_file is not None and settings.key_file is not None:
            name, path = "cert_file", settings.cert_file
            context.load_cert_chain(base / settings.cert_file, base / settings.key_file)
    except (OSError, ssl.SSLError) as error:
        detail = error.strerror or str(error)
        raise ConfigurationError(
            [f"kafka.{name}: {path}: {detail}; name a PEM file that can be read"]
        ) from error
    return context


class _Failures(logging.Handler):
    """Hears from kafka-python why it does not come through, which its error does not say.

    Args:
        say: Told the first reason, as it is heard.
    """

    MARK, TELLING = "Bootstrap connection to ", ("Authentication", "Invalid frame")

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._say, self.why = say, ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the reason of the first one: the last may have had no time left.

        One who is refused is mostly hung up on, and told why at times: by a listener with TLS in TLS.
        """
        what = record.getMessage()
        if not what.startswith(self.MARK):
            return
        why = what.partition(" failed: ")[2].partition(" (backoff")[0]
        if not self.why:
            self.why = why
            self._say(why)
        elif any(one in why for one in self.TELLING):
            self.why = why


_NOWHERE = logging.NullHandler()
MENDS = (
    ("ECONNREFUSED", "see that the brokers run, and kafka.brokers"),
    ("CERTIFICATE", "see kafka.ca_file, and that kafka.brokers has the names that are in the certificate"),
    ("Handshake", "see kafka.tls, and that these are listeners with TLS"),
    ("Authentication", "see kafka.sasl, user and password"),
    ("Invalid frame", "no listeners of Kafka without TLS: see kafka.tls, and kafka.brokers"),
    ("disconnected", "they hang up: see kafka.tls, sasl, user and password"),
)
MEND = "see kafka.brokers, tls, sasl, user and password, and that the brokers run"


def logged(problem: str) -> None:
    """Have the log of a daemon say why it waits."""
    log.warning("no broker is reached so far", problem=problem)


@contextmanager
def told(link: Link, says: Callable[[str], object] | None = None) -> Iterator[None]:
    """Whatever kafka-python raises inside is one line with the mend, and what it logs stays here.

    It has six lines for each attempt, many attempts, and gives up after a quarter of a minute. Where the log
    is of level ``debug`` they stand in it.

    Args:
        link: To Kafka.
        says: Told at once why, and what mends it, while somebody waits.

    Raises:
        MonitorError: In its place.
    """
    from kafka.errors import KafkaError, KafkaTimeoutError  # noqa: PLC0415 - an extra

    def line(why: object) -> tuple[str, str]:
        mend = next((mend for mark, mend in MENDS if mark in str(why)), MEND)
        return f"kafka: {', '.join(link.brokers)}: {why}", mend

    def say(why: str) -> None:
        if says is not None:
            says("; ".join(line(why)))

    failures, logger = _Failures(say), logging.getLogger("kafka")
    logger.addHandler(_NOWHERE)  # or what nobody hears would go to standard error
    logger.propagate = logging.getLogger().isEnabledFor(logging.DEBUG)
    logger.addHandler(failures)
    try:
        yield
    except (KafkaError, OSError, ValueError) as error:
        why = (failures.why if isinstance(error, KafkaTimeoutError) else "") or error or type(error).__name__
        what, mend = line(why)
        raise MonitorError(what, mend=mend, code="kafka") from error
    finally:
        logger.removeHandler(failures)
