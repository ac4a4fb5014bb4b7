"""``accounts:`` of ``alerting.yaml``: one model for each kind of way out."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from alerting.channels import aliyun_sms, dingtalk, feishu, tencent_sms, wecom_bot
from alerting.channels.sms_words import Word
from alerting.config.account import Account, BaseUrl, Contact, Id, Phone, WithKey, WithSecret, WithUrl


class ConsoleAccount(Account):
    """The terminal the daemon runs in."""

    type: Literal["console"]
    """What it is."""


class WebhookAccount(WithUrl, WithSecret, Account):
    """A signed webhook."""

    needs: ClassVar[tuple[str, ...]] = ("url", "secret")
    type: Literal["webhook"]
    """What it is."""
    allow_private: bool = False
    """Whether the address may be private."""


class AppriseAccount(WithUrl, Account):
    """Whatever Apprise can reach and we have no channel for; needs the extra `apprise`."""

    needs: ClassVar[tuple[str, ...]] = ("url",)
    type: Literal["apprise"]
    """What it is."""
    allow_private: bool = False
    """Whether the address may be private, such as a mail server's of your own."""


class _Bot(WithKey, Account):
    needs: ClassVar[tuple[str, ...]] = ("key",)
    key_stands: ClassVar[str] = "behind `key=` in its address"
    format: Literal["markdown", "text"] = "markdown"
    """Markdown has colours; of a WeCom bot, twice the length too, but only text mentions phones."""


class WecomBotAccount(_Bot):
    """A WeCom group bot; its key is what stands behind `key=` in its address."""

    contact: ClassVar[Contact] = "wecom_id"
    mentions: ClassVar[bool] = True
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


class DingtalkAccount(WithSecret, _Bot):
    """A DingTalk group bot; its key is what stands behind `access_token=`; a signing bot has a secret."""

    takes: ClassVar[tuple[str, ...]] = ("secret",)
    key_stands: ClassVar[str] = "behind `access_token=` in its address"
    contact: ClassVar[Contact] = "phone"
    mentions: ClassVar[bool] = True
    type: Literal["dingtalk"]
    """What it is."""
    base_url: BaseUrl = dingtalk.BASE_URL
    """Where the provider is, for tests and gateways."""
    mention_mobiles: tuple[str, ...] = Field(default=(), max_length=20)
    """Up to 20 phone numbers to mention in every message, or `@all`."""


class FeishuAccount(WithSecret, _Bot):
    """A Feishu or Lark group bot; its key is the last part of its address; a signing bot has a secret."""

    takes: ClassVar[tuple[str, ...]] = ("secret",)
    key_stands: ClassVar[str] = "last in its address"
    contact: ClassVar[Contact] = "feishu_id"
    mentions: ClassVar[bool] = True
    type: Literal["feishu"]
    """What it is."""
    base_url: BaseUrl = feishu.BASE_URL
    """Where the provider is; of Lark `https://open.larksuite.com`."""


class WecomAppAccount(WithSecret, Account):
    """An app of a WeCom corp, which writes to members."""

    needs: ClassVar[tuple[str, ...]] = ("secret",)
    takes: ClassVar[tuple[str, ...]] = ("callback_token", "callback_key")
    contact: ClassVar[Contact] = "wecom_id"
    type: Literal["wecom_app"]
    """What it is."""
    corp_id: str = Field(min_length=1, max_length=64)
    """The corp's id (企业ID)."""
    agent_id: int = Field(ge=0, le=2_147_483_647)
    """The app's id (AgentId)."""
    users: tuple[Id, ...] = Field(default=(), max_length=1_000)
    """Up to 1000 ids of members to write to, or `@all`."""
    parties: tuple[Id, ...] = Field(default=(), max_length=100)
    """Up to 100 ids of departments to write to."""
    tags: tuple[Id, ...] = Field(default=(), max_length=100)
    """Up to 100 ids of tags to write to."""
    format: Literal["markdown", "text", "card"] = "markdown"
    """A card is the shortest, is known again when it is sent twice, and opens `card_url`."""
    card_url: BaseUrl | None = None
    """The page that a tap on a card opens."""
    callback_token: SecretStr | None = None
    """The Token of the app's API reception; with it and the key, cards have a button to acknowledge."""
    callback_token_file: str | None = None
    """A file that holds the Token and nothing else."""
    callback_token_env: str | None = None
    """An environment variable that holds the Token."""
    callback_key: SecretStr | None = None
    """The EncodingAESKey of the app's API reception; needs the extra `wecom`."""
    callback_key_file: str | None = None
    """A file that holds the EncodingAESKey and nothing else."""
    callback_key_env: str | None = None
    """An environment variable that holds the EncodingAESKey."""
    base_url: BaseUrl = wecom_bot.BASE_URL
    """Where the provider is, for tests and gateways."""

    @property
    def buttons(self) -> bool:
        """Whether its cards have buttons."""
        return self.gives("callback_key")

    @model_validator(mode="after")
    def _check_app(self) -> Self:
        if not (self.users or self.parties or self.tags):
            raise ValueError("a wecom_app needs one of `users`, `parties` or `tags`")
        if self.format == "card" and not self.card_url:
            raise ValueError("`format: card` needs a `card_url`")
        if self.gives("callback_token") != self.gives("callback_key"):
            raise ValueError("`callback_token` and `callback_key` go together")
        if self.buttons and self.format != "card":
            raise ValueError("`callback_key` needs `format: card`: nothing else has buttons")
        return self


class WecomSmartBotAccount(WithSecret, Account):
    """A WeCom smart bot over its own connection; needs the extra `wecom`."""

    needs: ClassVar[tuple[str, ...]] = ("secret",)
    contact: ClassVar[Contact] = "wecom_id"
    type: Literal["wecom_smart_bot"]
    """What it is."""
    bot_id: str = Field(min_length=1, max_length=128)
    """The bot's id (Bot ID)."""
    chats: tuple[Id, ...] = Field(min_length=1, max_length=20)
    """1 to 20 ids of group chats or members; in each somebody must have written to the bot once."""
    base_url: str = Field(default="wss://openws.work.weixin.qq.com", pattern=r"^wss?://\S+$", max_length=300)
    """Where the provider is, for tests and gateways."""

    @property
    def buttons(self) -> bool:
        """Whether its messages have buttons that come back."""
        return True


class _SmsAccount(WithSecret, Account):
    needs: ClassVar[tuple[str, ...]] = ("secret",)
    takes: ClassVar[tuple[str, ...]] = ("receipt_key",)
    receipt_key: SecretStr | None = None
    """A key of your choice, at the end of the address to which the provider pushes receipts."""
    receipt_key_file: str | None = None
    """A file that holds that key and nothing else."""
    receipt_key_env: str | None = None
    """An environment variable that holds that key."""
    contact: ClassVar[Contact] = "phone"
    access_id: str = Field(min_length=1, max_length=128)
    """The id that belongs to the secret: AccessKey ID of Aliyun, SecretId of Tencent Cloud."""
    phones: tuple[Phone, ...] = Field(min_length=1, max_length=20)
    """1 to 20 phones: 11 digits of mainland China, or `+`, country and number. Never printed."""
    sign_name: str = Field(min_length=1, max_length=64)
    """The approved signature, without 【】."""
    template: str = Field(min_length=1, max_length=64)
    """The approved template's id."""
    daily_messages: int | None = Field(default=None, ge=1, le=10_000)
    """Messages (1 to 10,000) in any 24 h to all phones together; unless given, as many as to one phone."""

    @property
    def tells_ends(self) -> bool:
        """A template without the word for it calls for action, whatever has happened since."""
        params: Any = getattr(self, "params", ())
        return "severity" in (params.values() if isinstance(params, dict) else params)


class AliyunSmsAccount(_SmsAccount):
    """SMS through Aliyun, one template."""

    type: Literal["aliyun_sms"]
    """What it is."""
    params: dict[str, Word]
    """The word each variable of the template takes: shop, title, figure, count, severity."""
    param_chars: int = Field(default=aliyun_sms.CHARS, ge=4, le=100)
    """Characters (4 to 100) of a variable; longer words are cut."""
    daily_per_phone: int = Field(default=50, ge=1, le=100)
    """Messages (1 to 100) a phone gets in any 24 h, the last one kept for critical alerts."""
    base_url: BaseUrl = aliyun_sms.BASE_URL
    """Where the provider is, for tests and gateways."""


class TencentSmsAccount(_SmsAccount):
    """SMS through Tencent Cloud, one template."""

    type: Literal["tencent_sms"]
    """What it is."""
    app_id: str = Field(pattern=r"^[0-9]{5,20}$")
    """The application's id (SdkAppId)."""
    params: tuple[Word, ...] = Field(max_length=10)
    """The words of the template's variables in their order: shop, title, figure, count, severity."""
    param_chars: int = Field(default=tencent_sms.CHARS, ge=4, le=100)
    """Characters (4 to 100) of a variable; longer words are cut."""
    daily_per_phone: int = Field(default=2, ge=1, le=100)
    """Messages (1 to 100) a phone gets in any 24 h, as its console says; the last one for critical alerts."""
    region: str = Field(default=tencent_sms.REGION, pattern=r"^[a-z0-9-]{1,40}$")
    """The region of the API."""
    base_url: BaseUrl = tencent_sms.BASE_URL
    """Where the provider is, for tests and gateways."""


_Some = (
    ConsoleAccount
    | WebhookAccount
    | WecomBotAccount
    | DingtalkAccount
    | FeishuAccount
    | WecomAppAccount
    | WecomSmartBotAccount
    | AliyunSmsAccount
    | TencentSmsAccount
    | AppriseAccount
)
TYPES = {kind: model for model in _Some.__args__ for kind in model.model_fields["type"].annotation.__args__}


def _known_type(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(value, dict) and (not isinstance(kind, str) or kind not in TYPES):
        context = {"expected": ", ".join(TYPES)}
        error = InitErrorDetails(type="literal_error", loc=("type",), input=kind, ctx=context)
        raise ValidationError.from_exception_data("Account", [error])
    return value


AnyAccount = Annotated[_Some, Field(discriminator="type"), BeforeValidator(_known_type)]
