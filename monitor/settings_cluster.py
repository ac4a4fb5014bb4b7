"""What a cluster adds to the configuration: the link to Kafka, the topic, and the database all share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from monitor.configuration import ConfigurationError, Part, file_text
from monitor.quantities import Duration
from rules.pack import DAY_MS

_BROKERS = r"^[^\s,:]+:\d{1,5}(,\s*[^\s,:]+:\d{1,5})*$"
_TOPIC = r"^[a-zA-Z0-9._-]{1,249}$"


class _Secured(Part):
    """A link on which a password may be asked for."""

    password: SecretStr | None = None
    """The password. Better: `password_file`."""
    password_file: Path | None = None
    """A file that holds the password and nothing else."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give either `password` or `password_file`")
        return self

    def read_password(self, base: Path) -> str:
        """The password, from wherever it is; empty where none is given.

        Args:
            base: What a relative `password_file` is relative to.

        Raises:
            ConfigurationError: The file cannot be read or is empty.
        """
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else ""
        path = base / self.password_file
        found = file_text(path, "password_file")
        if not found:
            raise ConfigurationError([f"password_file: {path}: is empty; write the password into it"])
        return found


class KafkaSettings(_Secured):
    """The link to Kafka, for `slawatch worker` and `slawatch topics`."""

    brokers: str = Field(default="127.0.0.1:9092", pattern=_BROKERS, max_length=1_000)
    """Brokers to begin with, `host:port`, parted by commas."""
    topic: str = Field(default="slawatch.events", pattern=_TOPIC)
    """The topic of events, keyed by shop."""
    partitions: int = Field(default=12, ge=1, le=1_000)
    """Partitions it should have; one shard each, and no more workers than these can share the work."""
    replication: int = Field(default=3, ge=1, le=9)
    """Brokers that should hold each record."""
    retention: Duration = Field(default=3 * DAY_MS, ge=3_600_000, le=800 * DAY_MS)
    """How long (1h to 800d) the topic should keep records: longer than the longest outage."""
    group: str = Field(default="slawatch", pattern=_TOPIC)
    """The group that workers share the partitions in."""
    instance: str = Field(default="", pattern=r"^[a-zA-Z0-9._-]{0,200}$")
    """A name that is this worker's at every start: a restart within `session_timeout` moves no shard."""
    session_timeout: Duration = Field(default=10_000, ge=6_000, le=300_000)
    """How long (6s to 5m) a worker may be silent before its shards go to others."""
    linger: Duration = Field(default=20, ge=0, le=1_000)
    """How long (0ms to 1s) records may gather before they are fetched: less work, later by so much."""
    tls: bool = False
    """Whether the link is encrypted."""
    ca_file: Path | None = None
    """The authority that brokers' certificates are checked with, PEM; without it the system's."""
    cert_file: Path | None = None
    """Our certificate, PEM, where brokers ask for one."""
    key_file: Path | None = None
    """Its key, PEM."""
    sasl: Literal["none", "plain", "scram-sha-256", "scram-sha-512"] = "none"
    """How we show who we are."""
    user: str = Field(default="", max_length=200)
    """Who we are."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.sasl != "none" and not (self.user and (self.password or self.password_file)):
            raise ValueError("`sasl` needs `user`, and `password` or `password_file`")
        if self.sasl == "plain" and not self.tls:
            raise ValueError("`sasl: plain` sends the password in clear; set `tls: true`, or use scram")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("`ca_file` and `cert_file` mean nothing without `tls: true`")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("`cert_file` and `key_file` go together")
        return self


class PostgresSettings(_Secured):
    """The database that workers and desk share."""

    url: str = Field(default="", pattern=r"^(postgres(ql)?://[^\s]+)?$", max_length=500)
    """Where it is, `postgresql://user@host:5432/name`; without it workers of one machine share `data`."""

    @model_validator(mode="after")
    def _no_secret_in_url(self) -> Self:
        given = self.url.partition("://")[2]  # the password may itself have a / or a ? in it
        if any(":" in given.partition(mark)[0].rpartition("@")[0] for mark in "/?"):
            raise ValueError("has a password in it, which would be shown; give it as `password_file`")
        return self

    def address(self, base: Path) -> str:
        """Where it is, with the password; never to be shown.

        Raises:
            ConfigurationError: The password's file cannot be read.
        """
        password = self.read_password(base)
        mark = "&" if "?" in self.url else "?"
        return f"{self.url}{mark}password={quote(password, safe='')}" if password else self.url
