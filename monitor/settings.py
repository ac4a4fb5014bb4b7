"""The configuration: ``slawatch.yaml``, then the environment (``SLAWATCH_…``), then secrets from files.

The environment wins over the file. ``SLAWATCH_LISTEN`` is ``listen``, ``SLAWATCH_JOURNAL__KEEP`` is
``keep`` of ``journal``. Durations are written ``30s 10m 2h 35d`` and become integer milliseconds, sizes
``256MB 20GB`` and become bytes. This is the only module that reads the environment; a secret that another
file says is there (``key_env: SLAWATCH_SECRET_BOT``) is read by ``secret_variable``.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from monitor import limits
from monitor.configuration import ConfigurationError, Part, load_model
from monitor.quantities import Duration, Size
from monitor.settings_cluster import KafkaSettings, PostgresSettings
from monitor.settings_influx import InfluxSettings
from monitor.settings_sources import SourceSettings
from monitor.shapes import NAME
from monitor.sources.chatwoot import ChatwootSource
from monitor.sources.follow import FollowedDirectory
from rules.pack import DAY_MS
from rules.problems import closest

PREFIX = "SLAWATCH_"
SECRET_PREFIX = f"{PREFIX}SECRET_"  # of secrets, which may have any name; never taken for a setting
_MINUTE_MS = 60_000


class JournalSettings(Part):
    """The history that reports and back-tests read."""

    keep: Duration = Field(default=35 * DAY_MS, ge=2 * DAY_MS, le=800 * DAY_MS)
    """How long (2d to 800d) records are kept."""
    keep_size: Size = Field(default=20 << 30, ge=64 << 20, le=1 << 44)
    """How large (64MB to 16TB) it may grow; then the oldest go first."""


class LimitSettings(Part):
    """What one client may ask."""

    requests_per_minute: int = Field(default=limits.REQUESTS_PER_MINUTE, ge=1, le=1_000_000)
    """Requests a minute of one token; more are answered 429."""
    body: Size = Field(default=limits.BODY_BYTES, ge=1 << 16, le=256 << 20)
    """Largest body (64KB to 256MB), unpacked; larger ones are answered 413."""


class LogSettings(Part):
    """What is logged, and how."""

    format: Literal["auto", "console", "json"] = "auto"
    """`console` for people, `json` for machines; `auto`: console on a terminal."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""


class Settings(BaseSettings):
    """All of ``slawatch.yaml``. Paths are relative to the directory of that file."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
    )

    data: Path = Path("data")
    """Directory of the journal, the store, dead letters and tokens."""
    listen: str = Field(default="127.0.0.1:8700", max_length=100)
    """Address and port of API and pages; another than loopback needs a token first."""
    public_url: str = Field(default="", pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$", max_length=300)
    """Where people reach the pages, for links in messages."""
    grafana_url: str = Field(default="", pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$", max_length=300)
    """Where people reach Grafana with the dashboards of `deploy/grafana`, for links in messages."""
    language: Literal["zh", "en"] = "zh"
    """Of messages and pages, unless asked otherwise."""
    rules: Path = Path("rules")
    """Directory of rule files."""
    packs: Path | None = None
    """Directory of packs instead of those shipped."""
    alerting: Path = Path("alerting.yaml")
    """Receivers, channels and routes."""
    shops: Path = Path("shops.yaml")
    """Names, teams and packs of shops; may be missing."""
    people: Path = Path("people.yaml")
    """People and how they are reached; may be missing."""
    lateness: Duration = Field(default=10 * _MINUTE_MS, ge=1_000, le=DAY_MS)
    """How late (1s to 1d) an event may come without changing any figure."""
    silent_after: Duration = Field(default=15 * _MINUTE_MS, ge=10_000, le=7 * DAY_MS)
    """How long (10s to 7d) a source without heartbeats may be silent in service hours."""
    low_water: Size = Field(default=256 << 20, ge=1 << 20, le=1 << 40)
    """Free disk (1MB to 1TB) below which events are answered 503, so that alerts go on."""
    sources: dict[Annotated[str, Field(pattern=NAME)], SourceSettings] = Field(default_factory=dict)
    """Sources by name; one that is not named here has the defaults."""
    journal: JournalSettings = JournalSettings()
    """The history that is kept."""
    limits: LimitSettings = LimitSettings()
    """What one client may ask."""
    log: LogSettings = LogSettings()
    """What is logged, and how."""
    kafka: KafkaSettings = KafkaSettings()
    """Cluster: the link to Kafka, and the topic of events."""
    postgres: PostgresSettings = PostgresSettings()
    """Cluster: the database that workers and desk share."""
    influx: InfluxSettings = InfluxSettings()
    """Figures to InfluxDB, for charts."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file; no other source."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @field_validator("listen")
    @classmethod
    def _check_listen(cls, listen: str) -> str:
        _split_address(listen)
        return listen

    @property
    def host(self) -> str:
        """The address listened on."""
        return _split_address(self.listen)[0]

    @property
    def port(self) -> int:
        """The port listened on; 0 takes a free one."""
        return _split_address(self.listen)[1]

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach us."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def require_safe(self, *, tokens: int) -> None:
        """Refuse to listen to other machines while nobody has to show a token.

        Raises:
            ConfigurationError: The address is not loopback and there is no token.
        """
        if not self.is_loopback and tokens == 0:
            what = f"listen: {self.listen} can be reached from other machines and there is no token"
            mend = "make one with `slawatch tokens add NAME`, or listen on 127.0.0.1"
            raise ConfigurationError([f"{what}; {mend}"])

    def source_of_shops(self) -> dict[str, str]:
        """The source that a shop's events come from, ``platform:shop_id`` → name, as far as that is set."""
        return {
            f"{source.chatwoot.platform}:{shop}": name
            for name, source in self.sources.items()
            if source.chatwoot is not None
            for shop in source.chatwoot.shops.values()
        }

    def directories(self, base: Path) -> list[FollowedDirectory]:
        """The sources that are followed directories; ``base`` is what relative paths start from."""
        return [
            FollowedDirectory(name, base / source.directory.path, source.directory.files)
            for name, source in self.sources.items()
            if source.directory is not None
        ]

    def chatwoot_sources(self, base: Path) -> dict[str, ChatwootSource]:
        """The Chatwoot webhooks by name, their secrets read.

        Args:
            base: What a relative `secret_file` is relative to.

        Raises:
            ConfigurationError: A secret's file cannot be read or is empty.
        """
        return {
            name: ChatwootSource(
                name=name,
                secret=source.chatwoot.read_secret(name, base),
                platform=source.chatwoot.platform,
                account=source.chatwoot.account,
                shops=source.chatwoot.shops,
            )
            for name, source in self.sources.items()
            if source.chatwoot is not None
        }


def _split_address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError("must be an address and a port, such as 127.0.0.1:8700 or [::1]:8700")
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            raise ValueError("must name an IP address or localhost before the port") from error
    return host, int(port)


def load_settings(path: Path | None = None) -> Settings:
    """Read the configuration; without a path, the defaults and the environment alone.

    Raises:
        ConfigurationError: With every mistake, each at its place.
    """
    return load_model(path, Settings, lambda values: Settings(**values), _unknown_variables(), _variable)


def secret_variable(name: str) -> str:
    """The text of an environment variable that holds a secret.

    Raises:
        KeyError: It is not set.
    """
    return os.environ[name]


def notify_socket() -> str:
    """Where the service manager listens (sd_notify); empty: nowhere."""
    return os.environ.get("NOTIFY_SOCKET", "")


# Variables that the command line reads itself.
_OTHER_VARIABLES = ("SLAWATCH_CONFIG", "SLAWATCH_TOKEN", "SLAWATCH_URL")


def _variable(at: tuple[str | int, ...]) -> str:
    """The variable that says a setting in place of the file; empty: none does."""
    name = PREFIX + "__".join(map(str, at)).upper()
    return f"environment {name}" if at and name in map(str.upper, os.environ) else ""


def _unknown_variables() -> list[str]:
    """A misspelt variable would be passed over in silence; the first part of its name must be a setting."""
    allowed = [PREFIX + name.upper() for name in Settings.model_fields]
    problems = []
    for name in sorted(os.environ):
        stem = name.upper().split("__")[0]
        if not stem.startswith(PREFIX) or stem in allowed or stem in _OTHER_VARIABLES:
            continue
        if stem.startswith(SECRET_PREFIX):
            continue
        hint = closest(stem, allowed)
        problems.append(f"environment {name}: unknown" + (f", did you mean {hint}?" if hint else ""))
    return problems
