"""The link to Kafka as each client wants to be told of it."""

from __future__ import annotations

import logging
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from monitor.configuration import ConfigurationError
from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faust.auth import Credentials

    from monitor.settings_cluster import KafkaSettings


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
    """Hears from kafka-python why it does not come through, which its error does not say."""

    MARK = "Bootstrap connection to "

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the reason of the first one: the last may have had no time left."""
        what = record.getMessage()
        if what.startswith(self.MARK) and not self.first:
            self.first = what.partition(" failed: ")[2].partition(" (backoff")[0]


MENDS = (
    ("ECONNREFUSED", "see that the brokers run, and kafka.brokers"),
    ("CERTIFICATE", "see kafka.ca_file, and that kafka.brokers has the names that are in the certificate"),
    ("Handshake", "see kafka.tls, and that these are listeners with TLS"),
    ("Authentication", "see kafka.sasl, user and password"),
    ("disconnected", "they hang up: see kafka.tls, sasl, user and password"),
)
MEND = "see kafka.brokers, tls, sasl, user and password, and that the brokers run"


@contextmanager
def told(link: Link) -> Iterator[None]:
    """Whatever kafka-python raises inside is one line with the mend.

    Raises:
        MonitorError: In its place.
    """
    from kafka.errors import KafkaError, KafkaTimeoutError  # noqa: PLC0415 - an extra

    failures, logger = _Failures(), logging.getLogger("kafka")
    logger.addHandler(failures)
    try:
        yield
    except (KafkaError, OSError, ValueError) as error:
        why = (
            (failures.first if isinstance(error, KafkaTimeoutError) else "") or error or type(error).__name__
        )
        mend = next((mend for mark, mend in MENDS if mark in str(why)), MEND)
        raise MonitorError(f"kafka: {', '.join(link.brokers)}: {why}", mend=mend, code="kafka") from error
    finally:
        logger.removeHandler(failures)
