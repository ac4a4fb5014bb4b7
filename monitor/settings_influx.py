"""What charts add to the configuration: the link to InfluxDB, and what waits while it is down."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from monitor.configuration import Part
from monitor.quantities import Duration, Size
from rules.pack import DAY_MS

_NAME = r"^[^\x00-\x1f\"\\]{0,200}$"


class InfluxSettings(Part):
    """Figures to InfluxDB 2, for charts; nothing is written while there is no `url`."""

    url: str = Field(default="", pattern=r"^(https?://[^\s/@]+(/[^\s?#]*)?)?$", max_length=300)
    """Where it is, `http(s)://host:8086`; empty: no figures are written."""
    org: str = Field(default="slawatch", pattern=_NAME, min_length=1)
    """Its organisation, by name."""
    bucket: str = Field(default="slawatch", pattern=_NAME, min_length=1)
    """The bucket of figures, by name."""
    token: SecretStr | None = None
    """A token that may write to the bucket. Better: `token_file`."""
    token_file: Path | None = None
    """A file that holds the token and nothing else; read again when the token is refused."""
    ca_file: Path | None = None
    """The authority that its certificate is checked with, PEM; without it the system's."""
    every: Duration = Field(default=10_000, ge=1_000, le=3_600_000)
    """How often (1s to 1h) figures are written."""
    keep: Duration = Field(default=90 * DAY_MS, ge=2 * DAY_MS, le=3_650 * DAY_MS)
    """How long (2d to 3650d) `slawatch doctor --setup` has the bucket keep them."""
    spool_size: Size = Field(default=1 << 30, ge=1 << 20, le=1 << 40)
    """What may wait on disk (1MB to 1TB) while it is down; then the oldest figures go first."""
    spool_age: Duration = Field(default=7 * DAY_MS, ge=60_000, le=90 * DAY_MS)
    """How long (1m to 90d) something may wait."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("give either `token` or `token_file`")
        if self.ca_file is not None and not self.url.startswith("https:"):
            raise ValueError("`ca_file` means nothing without a `url` of https")
        return self

    def read_token(self, base: Path) -> str:
        """The token, from wherever it is.

        Args:
            base: What a relative `token_file` is relative to.

        Raises:
            OSError: The file cannot be read.
            ValueError: There is none, or the file is empty or holds more than a token.
        """
        text = self.token.get_secret_value() if self.token else ""
        if self.token_file is not None:
            text = (base / self.token_file).read_text("utf-8-sig").strip()
        if not text:
            raise ValueError("influx.token_file: name a file that holds a token for the bucket")
        if not text.isascii() or any(letter.isspace() for letter in text):
            raise ValueError("influx.token_file: holds more than a token")
        return text
