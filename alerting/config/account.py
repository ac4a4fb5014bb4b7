"""What the models of all accounts are made of: secrets given in three ways, and values that are checked."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from rules.values import duration_ms

_URL = r"^https?://[^\s/]+(/[^\s]*)?$"


def _read_duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parsed = duration_ms(value)
    if parsed is None:
        raise ValueError("not a duration such as 30s, 2m or 4h")
    return parsed


Place = tuple[str | int, ...]  # in the file: keys and numbers, from the top
Contact = Literal["", "wecom_id", "phone", "feishu_id"]
Duration = Annotated[int, BeforeValidator(_read_duration)]


def _check_phone(phone: SecretStr) -> SecretStr:
    if not re.fullmatch(r"1[0-9]{10}|\+[0-9]{6,15}", phone.get_secret_value()):
        raise ValueError("not 11 digits, nor `+`, country and number")
    return phone


Phone = Annotated[SecretStr, AfterValidator(_check_phone)]
Id = Annotated[str, Field(pattern=r"^[^|\s]{1,64}$")]
BaseUrl = Annotated[str, Field(pattern=_URL, max_length=300)]


class Model(BaseModel):
    """A part of the file: an unknown key is an error, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Account(Model):
    """One way out. A secret is given in one of three ways, and which it needs is checked."""

    needs: ClassVar[tuple[str, ...]] = ()  # secrets without which it cannot be
    takes: ClassVar[tuple[str, ...]] = ()  # secrets it may have
    contact: ClassVar[Contact] = ""  # by what of people.yaml one person can be told or mentioned on it
    mentions: ClassVar[bool] = False  # it reaches all of a group, and mentions the one

    @property
    def buttons(self) -> bool:
        """Whether its messages have buttons that come back."""
        return False

    @property
    def tells_ends(self) -> bool:
        """Whether its messages can say that an alert is over."""
        return True

    @property
    def reaches(self) -> str:
        """The address it sends to, or "" where only a file or the environment says."""
        return getattr(self, "base_url", "")

    def gives(self, secret: str) -> bool:
        """Whether a secret is given, in one way or another."""
        return any(getattr(self, f"{secret}{way}") is not None for way in ("", "_file", "_env"))

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        kind = getattr(self, "type", "account")
        for name in (*self.needs, *self.takes):
            given = [f for f in (name, f"{name}_file", f"{name}_env") if getattr(self, f) is not None]
            if len(given) > 1 or (name in self.needs and not given):
                verb = "needs" if name in self.needs else "takes"
                raise ValueError(f"a {kind} {verb} one of `{name}_file`, `{name}_env` or `{name}`")
        return self


class WithKey(Model):
    """The key in a bot's address."""

    key: SecretStr | None = None
    """The part of the bot's address that makes it yours. Better: `key_file` or `key_env`."""
    key_file: str | None = None
    """A file that holds the key and nothing else."""
    key_env: str | None = None
    """An environment variable that holds the key."""


class WithSecret(Model):
    """A secret that signs."""

    secret: SecretStr | None = None
    """The secret that signs. Better: `secret_file` or `secret_env`."""
    secret_file: str | None = None
    """A file that holds the secret and nothing else."""
    secret_env: str | None = None
    """An environment variable that holds the secret."""


class WithUrl(Model):
    """An address that is a secret."""

    url: SecretStr | None = None
    """The address. It may hold a token, so it is never printed."""
    url_file: str | None = None
    """A file that holds the address and nothing else."""
    url_env: str | None = None
    """An environment variable that holds the address."""

    @property
    def reaches(self) -> str:
        """The address, if the file holds it."""
        return self.url.get_secret_value() if self.url else ""
