"""Settings of sources: how events come in, and how long a source may be silent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from monitor.configuration import ConfigurationError, Part, file_text
from monitor.quantities import Duration
from monitor.shapes import NAME
from rules.pack import DAY_MS


class ChatwootSettings(Part):
    """A Chatwoot webhook, received at ``/api/v1/sources/chatwoot/{source}``."""

    secret: SecretStr | None = None
    """The webhook's secret, as Chatwoot shows it. Better: `secret_file`."""
    secret_file: Path | None = None
    """A file that holds the secret and nothing else."""
    account: str = Field(default="", max_length=20)
    """Id of the Chatwoot account, for payloads that do not say it."""
    platform: str = Field(default="chatwoot", pattern=NAME)
    """The platform of its shops; decides the pack."""
    shops: dict[str, str] = Field(default_factory=dict)
    """Inbox id → shop id; an inbox that is not named is a shop by its own id."""

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("give either `secret` or `secret_file`")
        return self

    def read_secret(self, name: str, base: Path) -> str:
        """The secret itself.

        Args:
            name: The source's, for what is said of a mistake.
            base: What a relative `secret_file` is relative to.

        Raises:
            ConfigurationError: Its file cannot be read, or it is empty.
        """
        if self.secret_file is None:
            secret = self.secret.get_secret_value() if self.secret else ""
        else:
            secret = file_text(base / self.secret_file, f"secret_file of source {name}")
        if not secret:
            raise ConfigurationError(
                [f"the secret of source {name} is empty; copy it from the webhook in Chatwoot"]
            )
        return secret


Pattern = Annotated[str, Field(pattern=r"^[^/\\]{1,100}$")]


class DirectorySettings(Part):
    """A followed directory: NDJSON files that are dropped there whole, or appended to."""

    path: Path
    """The directory; what is in it comes in, once."""
    files: tuple[Pattern, ...] = Field(default=("*.ndjson*", "*.jsonl*"), min_length=1, max_length=20)
    """Patterns (1 to 20) of the names of its files; rotated names and `.gz` fit the default."""


class SourceSettings(Part):
    """One source of events."""

    heartbeat: Duration | None = Field(default=None, ge=1_000, le=DAY_MS)
    """The period (1s to 1d) in which it promises a heartbeat event; missing one, it is blind."""
    silent_after: Duration | None = Field(default=None, ge=10_000, le=7 * DAY_MS)
    """Without heartbeats: how long in service hours (10s to 7d) it may say nothing. Default: of all."""
    chatwoot: ChatwootSettings | None = None
    """Set where the source is a Chatwoot webhook."""
    directory: DirectorySettings | None = None
    """Set where the source is a followed directory."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.chatwoot is not None and self.directory is not None:
            raise ValueError("a source is either `chatwoot` or `directory`; name two sources")
        return self
