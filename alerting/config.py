"""``alerting.yaml``: accounts, receivers and routes as a model, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from alerting.channels.console import Console
from alerting.channels.webhook import Webhook
from alerting.channels.wecom_bot import BASE_URL, WecomBot
from alerting.errors import ConfigError
from alerting.policy.route import Policy, Receiver
from rules.problems import closest
from rules.values import duration_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

    from alerting.channels.base import Channel
    from alerting.ports import Clock

    # Reads a secret: ("file", path) or ("env", name) to its text; raises OSError or KeyError.
    ReadSecret = Callable[[Literal["file", "env"], str], str]

_NAME = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_Name = Annotated[str, Field(pattern=_NAME)]
_DAY_MS = 86_400_000
_GROUP_BY = {"rule", "severity", "platform", "shop", "source", "agent", "team"}


def _read_duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parsed = duration_ms(value)
    if parsed is None:
        raise ValueError("not a duration such as 30s, 2m or 4h")
    return parsed


Duration = Annotated[int, BeforeValidator(_read_duration)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Account(_Model):
    """One way out: a bot, an address, the terminal."""

    type: Literal["wecom_bot", "webhook", "console"]
    """What it is."""
    key: SecretStr | None = None
    """wecom_bot: the key of the webhook address. Better: `key_file` or `key_env`."""
    key_file: str | None = None
    """wecom_bot: a file that holds the key and nothing else."""
    key_env: str | None = None
    """wecom_bot: an environment variable that holds the key."""
    base_url: str = Field(default=BASE_URL, pattern=r"^https?://[^\s/]+(/[^\s]*)?$", max_length=300)
    """wecom_bot: where the provider is, for tests and gateways."""
    format: Literal["markdown", "text"] = "markdown"
    """wecom_bot: text can mention phone numbers, markdown has colours and twice the length."""
    mention_mobiles: tuple[str, ...] = Field(default=(), max_length=20)
    """wecom_bot with `format: text`: phone numbers to mention in every message, or `@all`."""
    url: SecretStr | None = None
    """webhook: the address. It may hold a token, so it is never printed."""
    url_file: str | None = None
    """webhook: a file that holds the address."""
    url_env: str | None = None
    """webhook: an environment variable that holds the address."""
    secret: SecretStr | None = None
    """webhook: the secret it is signed with. Better: `secret_file` or `secret_env`."""
    secret_file: str | None = None
    """webhook: a file that holds the secret."""
    secret_env: str | None = None
    """webhook: an environment variable that holds the secret."""
    allow_private: bool = False
    """webhook: whether the address may be private."""

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        wanted = {"wecom_bot": ("key",), "webhook": ("url", "secret"), "console": ()}[self.type]
        for name in ("key", "url", "secret"):
            given = [f for f in (name, f"{name}_file", f"{name}_env") if getattr(self, f) is not None]
            if name in wanted and len(given) != 1:
                raise ValueError(f"a {self.type} needs one of `{name}_file`, `{name}_env` or `{name}`")
            if name not in wanted and given:
                raise ValueError(f"a {self.type} takes no `{given[0]}`")
        if self.mention_mobiles and self.format != "text":
            raise ValueError("`mention_mobiles` needs `format: text`")
        return self


class ReceiverSettings(_Model):
    """Somebody to tell, and how often."""

    accounts: tuple[_Name, ...] = Field(min_length=1, max_length=10)
    """Where they are told; each account is told by itself."""
    group_by: tuple[str, ...] = Field(default=("rule",), max_length=5)
    """What alerts of one message have in common: rule, severity, platform, shop, source, agent, team."""
    group_wait: Duration = Field(default=30_000, ge=0, le=600_000)
    """How long (0s to 10m) a warning waits for others of its group; a critical alert never does."""
    group_interval: Duration = Field(default=120_000, ge=0, le=_DAY_MS)
    """The least time (0s to 1d) between two messages of a group of warnings."""
    repeat_interval: Duration = Field(default=14_400_000, ge=60_000, le=30 * _DAY_MS)
    """When (1m to 30d) an alert that still fires and that nobody has taken is told again."""
    language: Literal["zh", "en"] | None = None
    """Of its messages, unless the file's."""


class Alerting(_Model):
    """All of ``alerting.yaml``."""

    accounts: dict[_Name, Account] = Field(min_length=1, max_length=100)
    """Ways out, by name."""
    receivers: dict[_Name, ReceiverSettings] = Field(min_length=1, max_length=1_000)
    """Who is told, by the name that a rule's `notify` gives."""
    default: _Name
    """The receiver of rules that name nobody, or nobody we know."""
    self_alerts: _Name | None = None
    """The receiver of alerts about slawatch itself; unless given, the default one."""
    routes: dict[_Name, tuple[_Name, ...]] = Field(default_factory=dict, max_length=1_000)
    """Names for several receivers at once, for a rule's `notify`."""
    digest_after: Duration = Field(default=32_400_000, ge=0, le=_DAY_MS)
    """How long after midnight (0s to 1d) the days that ended are named, if no digest came before."""
    language: Literal["zh", "en"] = "zh"
    """Of messages."""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Alerting:
        """Validate what the file says, and that every name in it means something.

        Raises:
            ValidationError: All mistakes, each with its location.
        """
        found = cls.model_validate(values)
        errors = list(found.unknown_names())
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return found

    def unknown_names(self) -> Iterator[InitErrorDetails]:
        """Names of accounts, receivers and groups that there are none of, with their places."""

        def check(
            kind: str, name: str, known: Mapping[str, object], *loc: str | int
        ) -> Iterator[InitErrorDetails]:
            if name not in known:
                meant = closest(name, known)
                hint = f", did you mean {meant}?" if meant else f", there are {', '.join(sorted(known))}"
                text = f"no {kind} {name}{hint}"
                error = PydanticCustomError("unknown_name", "{text}", {"text": text})
                yield InitErrorDetails(type=error, loc=loc, input=name)

        for name, receiver in self.receivers.items():
            for i, account in enumerate(receiver.accounts):
                yield from check("account", account, self.accounts, "receivers", name, "accounts", i)
            for i, by in enumerate(receiver.group_by):
                yield from check("group", by, dict.fromkeys(_GROUP_BY), "receivers", name, "group_by", i)
        for name, receivers in self.routes.items():
            for i, receiver_name in enumerate(receivers):
                yield from check("receiver", receiver_name, self.receivers, "routes", name, i)
        yield from check("receiver", self.default, self.receivers, "default")
        if self.self_alerts:
            yield from check("receiver", self.self_alerts, self.receivers, "self_alerts")

    def names(self) -> frozenset[str]:
        """What a rule's ``notify`` may say."""
        return frozenset((*self.receivers, *self.routes))

    def policy(self, sources: Mapping[str, str] | None = None, rules: frozenset[str] | None = None) -> Policy:
        """What the desk decides by.

        Args:
            sources: Shop → the source its events come from.
            rules: Those in force; alerts of others end. None: not known.
        """
        receivers = {
            name: Receiver(
                name,
                given.accounts,
                given.group_by,
                given.group_wait,
                given.group_interval,
                given.repeat_interval,
                given.language or self.language,
            )
            for name, given in self.receivers.items()
        }
        return Policy(
            receivers,
            self.default,
            self.routes,
            self.self_alerts or "",
            sources or {},
            rules,
            self.digest_after,
        )

    def channels(
        self,
        client: httpx.AsyncClient,
        clock: Clock,
        read_secret: ReadSecret,
        write: Callable[[str], object] = print,
    ) -> dict[str, Channel]:
        """The accounts' channels; ``write`` is the terminal's.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        found: dict[str, Channel] = {}
        problems: list[str] = []
        for name, account in self.accounts.items():
            try:
                found[name] = _channel(account, client, clock, read_secret, write)
            except _NoSecret as error:
                problems.append(f"accounts.{name}: {error}")
        if problems:
            raise ConfigError(problems)
        return found


class _NoSecret(Exception):  # noqa: N818 - not an error yet: a line of ConfigError
    pass


def _channel(
    account: Account,
    client: httpx.AsyncClient,
    clock: Clock,
    read: ReadSecret,
    write: Callable[[str], object],
) -> Channel:
    if account.type == "wecom_bot":
        return WecomBot(
            client,
            _secret(account, "key", read),
            markup=account.format,
            base_url=account.base_url,
            mention_mobiles=account.mention_mobiles,
        )
    if account.type == "webhook":
        url, secret = _secret(account, "url", read), _secret(account, "secret", read)
        if not url.get_secret_value().startswith(("https://", "http://")):
            raise _NoSecret("`url` must start with https:// or http://")
        return Webhook(client, url, secret, clock, allow_private=account.allow_private)
    return Console(write)


def _secret(account: Account, name: str, read: ReadSecret) -> SecretStr:
    """A secret from where the account says it is; never empty."""
    value: SecretStr | None = getattr(account, name)
    if value is None:
        file, env = getattr(account, f"{name}_file"), getattr(account, f"{name}_env")
        try:
            value = SecretStr(read("file", file).strip() if file else read("env", env).strip())
        except OSError as error:
            raise _NoSecret(f"`{name}_file` {file}: {error.strerror}; name a readable file") from error
        except KeyError as error:
            raise _NoSecret(f"`{name}_env`: {env} is not set; set it or use `{name}_file`") from error
    if not value.get_secret_value():
        raise _NoSecret(f"`{name}` is empty")
    return value
