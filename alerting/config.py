"""``alerting.yaml``: accounts, receivers and routes as a model, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from alerting.account import Duration, Model
from alerting.accounts import AnyAccount
from alerting.policy.route import Policy, Receiver
from alerting.template import Templates
from alerting.tried import tried
from alerting.ways import Ways
from rules.problems import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import httpx

    from alerting.channels.base import Channel
    from alerting.ports import Clock, TapReader
    from alerting.ways import ReadSecret

_NAME = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_Name = Annotated[str, Field(pattern=_NAME)]
_DAY_MS = 86_400_000
_GROUP_BY = {"rule", "severity", "platform", "shop", "source", "agent", "team"}


class MessageSettings(Model):
    """Templates of a receiver's messages; `slawatch messages words` lists what they may say."""

    alert: str | None = None
    """The message of one alert."""
    row: str | None = None
    """An alert's row where several share a message."""


class ReceiverSettings(Model):
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
    messages: MessageSettings | None = None
    """Its own words, in place of ours."""


class Alerting(Model):
    """All of ``alerting.yaml``."""

    accounts: dict[_Name, AnyAccount] = Field(min_length=1, max_length=100)
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
        errors = [*found.unknown_names(), *found.wrong_templates()]
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

    def wrong_templates(self) -> Iterator[InitErrorDetails]:
        """Mistakes in templates, each with its place in the template."""
        for name, receiver in self.receivers.items():
            for part in ("alert", "row"):
                source = getattr(receiver.messages, part, None)
                for wrong in tried(source) if source else ():
                    place = {"text": wrong.text, "line": wrong.line, "column": wrong.column}
                    error = PydanticCustomError("template", "{text}", place)
                    yield InitErrorDetails(type=error, loc=("receivers", name, "messages", part), input=None)

    def templates(self) -> dict[str, Templates]:
        """How each receiver's messages are written, of those that have their own way."""
        own = {name: one.messages for name, one in self.receivers.items() if one.messages}
        return {name: Templates.of(one.alert, one.row) for name, one in own.items()}

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
        return Ways(client, clock, read_secret, write).open(self.accounts)

    def previews(self, clock: Clock, read_secret: ReadSecret, names: Iterable[str]) -> dict[str, Channel]:
        """Channels of some accounts that write messages and have nothing to send them over."""
        wanted = {name: self.accounts[name] for name in names}
        return Ways(None, clock, read_secret, print).open(wanted)  # type: ignore[arg-type]

    def callbacks(
        self, client: httpx.AsyncClient, clock: Clock, read_secret: ReadSecret
    ) -> dict[str, TapReader]:
        """What reads the taps on cards, by account.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        return Ways(client, clock, read_secret, print).callbacks(self.accounts)
