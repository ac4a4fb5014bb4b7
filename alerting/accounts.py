"""``accounts:`` of ``alerting.yaml``: one model for each kind of way out."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from alerting.channels import dingtalk, feishu, wecom_bot
from rules.values import duration_ms

_URL = r"^https?://[^\s/]+(/[^\s]*)?$"


def _read_duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parsed = duration_ms(value)
    if parsed is None:
        raise ValueError("not a duration such as 30s, 2m or 4h")
    return parsed


Duration = Annotated[int, BeforeValidator(_read_duration)]
_Id = Annotated[str, Field(pattern=r"^[^|\s]{1,64}$")]
BaseUrl = Annotated[str, Field(pattern=_URL, max_length=300)]


class Model(BaseModel):
    """A part of the file: an unknown key is an error, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Account(Model):
    """One way out. A secret is given in one of three ways, and which it needs is checked."""

    needs: ClassVar[tuple[str, ...]] = ()  # secrets without which it cannot be
    takes: ClassVar[tuple[str, ...]] = ()  # secrets it may have

    @property
    def reaches(self) -> str:
        """The address it sends to, or "" where only a file or the environment says."""
        return getattr(self, "base_url", "")

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        kind = getattr(self, "type", "account")
        for name in (*self.needs, *self.takes):
            given = [f for f in (name, f"{name}_file", f"{name}_env") if getattr(self, f) is not None]
            if len(given) > 1 or (name in self.needs and not given):
                verb = "needs" if name in self.needs else "takes"
                raise ValueError(f"a {kind} {verb} one of `{name}_file`, `{name}_env` or `{name}`")
        return self


class _Key(Model):
    key: SecretStr | None = None
    """The part of the bot's address that makes it yours. Better: `key_file` or `key_env`."""
    key_file: str | None = None
    """A file that holds the key and nothing else."""
    key_env: str | None = None
    """An environment variable that holds the key."""


class _Secret(Model):
    secret: SecretStr | None = None
    """The secret that signs. Better: `secret_file` or `secret_env`."""
    secret_file: str | None = None
    """A file that holds the secret and nothing else."""
    secret_env: str | None = None
    """An environment variable that holds the secret."""


class _Url(Model):
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


class ConsoleAccount(Account):
    """The terminal the daemon runs in."""

    type: Literal["console"]
    """What it is."""


class WebhookAccount(_Url, _Secret, Account):
    """A signed webhook."""

    needs: ClassVar[tuple[str, ...]] = ("url", "secret")
    type: Literal["webhook"]
    """What it is."""
    allow_private: bool = False
    """Whether the address may be private."""


class _Bot(_Key, Account):
    needs: ClassVar[tuple[str, ...]] = ("key",)
    format: Literal["markdown", "text"] = "markdown"
    """Markdown has colours; of a WeCom bot, twice the length too, but only text mentions phones."""


class WecomBotAccount(_Bot):
    """A WeCom group bot; its key is what stands behind `key=` in its address."""

    type: Literal["wecom_bot"]
    """What it is."""
    base_url: BaseUrl = wecom_bot.BASE_URL
    """Where the provider is, for tests and gateways."""
    mention_mobiles: tuple[str, ...] = Field(default=(), max_length=20)
    """With `format: text`: up to 20 phone numbers to mention in every message, or `@all`."""

    @model_validator(mode="after")
    def _check_mentions(self) -> Self:
        if self.mention_mobiles and self.format != "text":
            raise ValueError("`mention_mobiles` needs `format: text`")
        return self


class DingtalkAccount(_Secret, _Bot):
    """A DingTalk group bot; its key is what stands behind `access_token=`; a signing bot has a secret."""

    takes: ClassVar[tuple[str, ...]] = ("secret",)
    type: Literal["dingtalk"]
    """What it is."""
    base_url: BaseUrl = dingtalk.BASE_URL
    """Where the provider is, for tests and gateways."""
    mention_mobiles: tuple[str, ...] = Field(default=(), max_length=20)
    """Up to 20 phone numbers to mention in every message, or `@all`."""


class FeishuAccount(_Secret, _Bot):
    """A Feishu or Lark group bot; its key is the last part of its address; a signing bot has a secret."""

    takes: ClassVar[tuple[str, ...]] = ("secret",)
    type: Literal["feishu"]
    """What it is."""
    base_url: BaseUrl = feishu.BASE_URL
    """Where the provider is; of Lark `https://open.larksuite.com`."""


class WecomAppAccount(_Secret, Account):
    """An app of a WeCom corp, which writes to members."""

    needs: ClassVar[tuple[str, ...]] = ("secret",)
    type: Literal["wecom_app"]
    """What it is."""
    corp_id: str = Field(min_length=1, max_length=64)
    """The corp's id (企业ID)."""
    agent_id: int = Field(ge=0, le=2_147_483_647)
    """The app's id (AgentId)."""
    users: tuple[_Id, ...] = Field(default=(), max_length=1_000)
    """Up to 1000 ids of members to write to, or `@all`."""
    parties: tuple[_Id, ...] = Field(default=(), max_length=100)
    """Up to 100 ids of departments to write to."""
    tags: tuple[_Id, ...] = Field(default=(), max_length=100)
    """Up to 100 ids of tags to write to."""
    format: Literal["markdown", "text", "card"] = "markdown"
    """A card is the shortest, is known again when it is sent twice, and opens `card_url`."""
    card_url: BaseUrl | None = None
    """The page that a tap on a card opens."""
    base_url: BaseUrl = wecom_bot.BASE_URL
    """Where the provider is, for tests and gateways."""

    @model_validator(mode="after")
    def _check_app(self) -> Self:
        if not (self.users or self.parties or self.tags):
            raise ValueError("a wecom_app needs one of `users`, `parties` or `tags`")
        if self.format == "card" and not self.card_url:
            raise ValueError("`format: card` needs a `card_url`")
        return self


_Some = ConsoleAccount | WebhookAccount | WecomBotAccount | DingtalkAccount | FeishuAccount | WecomAppAccount
TYPES = {kind: model for model in _Some.__args__ for kind in model.model_fields["type"].annotation.__args__}


def _known_type(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(value, dict) and kind not in TYPES:
        context = {"expected": ", ".join(TYPES)}
        error = InitErrorDetails(type="literal_error", loc=("type",), input=kind, ctx=context)
        raise ValidationError.from_exception_data("Account", [error])
    return value


AnyAccount = Annotated[_Some, Field(discriminator="type"), BeforeValidator(_known_type)]
