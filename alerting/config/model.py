"""``alerting.yaml``: accounts, receivers and routes as a model, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from alerting.config.account import Duration, Model
from alerting.config.accounts import AnyAccount
from alerting.config.duty import ScheduleSettings
from alerting.config.names import mistakes
from alerting.config.routing import (
    AcknowledgeSettings,
    HeartbeatSettings,
    InhibitSettings,
    Manner,
    MuteSettings,
    Name,
    RouteSettings,
    StepSettings,
)
from alerting.messages.template import Templates
from alerting.messages.tried import tried
from alerting.policy.rulings import Knows, Policy, Receiver
from alerting.ways import Ways
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    import httpx
    from pydantic import SecretStr

    from alerting.channels.base import Channel
    from alerting.ports import Clock, TapReader
    from alerting.receipts import ReceiptReader
    from alerting.ways import ReadSecret


class MessageSettings(Model):
    """Templates of a receiver's messages; `slawatch messages words` lists what they may say."""

    alert: str | None = None
    """The message of one alert."""
    row: str | None = None
    """An alert's row where several share a message."""


class ReceiverSettings(Manner):
    """Somebody to tell, and how often."""

    accounts: tuple[Name, ...] = Field(min_length=1, max_length=10)
    """Where they are told; each account is told by itself."""
    to: tuple[Name, ...] = Field(default=(), max_length=20)
    """People of people.yaml and schedules, where not all that an account reaches are meant."""
    group_by: tuple[str, ...] = Field(default=("rule",), max_length=5)
    """What alerts of one message have in common: rule, severity, platform, shop, team, `labels.NAME` …"""
    group_wait: Duration = Field(default=30_000, ge=0, le=600_000)
    """How long (0s to 10m) a warning waits for others of its group; a critical alert never does."""
    group_interval: Duration = Field(default=120_000, ge=0, le=DAY_MS)
    """The least time (0s to 1d) between two messages of a group of warnings."""
    repeat_interval: Duration = Field(default=14_400_000, ge=60_000, le=30 * DAY_MS)
    """When (1m to 30d) an alert that still fires and that nobody has taken is told again."""
    language: Literal["zh", "en"] | None = None
    """Of its messages, unless the file's."""
    messages: MessageSettings | None = None
    """Its own words, in place of ours."""


class Alerting(Model):
    """All of ``alerting.yaml``."""

    accounts: dict[Name, AnyAccount] = Field(min_length=1, max_length=100)
    """Ways out, by name."""
    receivers: dict[Name, ReceiverSettings] = Field(min_length=1, max_length=1_000)
    """Who is told, by the name that a rule's `notify` gives."""
    default: Name
    """The receiver of rules that name nobody, or nobody we know."""
    self_alerts: Name | None = None
    """The receiver of alerts about slawatch itself; unless given, the default one."""
    routes: dict[Name, tuple[Name, ...]] = Field(default_factory=dict, max_length=1_000)
    """Names for several receivers at once, for a rule's `notify`."""
    route: RouteSettings = Field(default_factory=RouteSettings)
    """The tree that every alert is led through: the first route takes all, those below it some."""
    mute_times: dict[Name, MuteSettings] = Field(default_factory=dict, max_length=200)
    """Times at which alerts are held for a digest, for `mute` of a route."""
    inhibit: tuple[InhibitSettings, ...] = Field(default=(), max_length=100)
    """Alerts that others explain; a blind source or platform mutes its shops without being named here."""
    escalations: dict[Name, tuple[StepSettings, ...]] = Field(default_factory=dict, max_length=200)
    """Who is told next while nobody has the alert, for `escalate` of a route."""
    schedules: dict[Name, ScheduleSettings] = Field(default_factory=dict, max_length=200)
    """Who is on call, for `to` of a receiver."""
    acknowledge: AcknowledgeSettings = Field(default_factory=AcknowledgeSettings)
    """How long an acknowledgement holds."""
    heartbeat: HeartbeatSettings | None = None
    """Pinged while all is well."""
    digest_after: Duration = Field(default=32_400_000, ge=0, le=DAY_MS)
    """How long after midnight (0s to 1d) the days that ended are named, if no digest came before."""
    language: Literal["zh", "en"] = "zh"
    """Of messages."""

    @classmethod
    def parse(cls, values: Mapping[str, Any], people: Collection[str] | None = None) -> Alerting:
        """Validate what the file says, and that every name in it means something.

        Args:
            values: As the file has them.
            people: Names of people.yaml; None: not known, and none is taken for unknown.

        Raises:
            ValidationError: All mistakes, each with its location.
        """
        found = cls.model_validate(values)
        errors = [*(one.error() for one in mistakes(found, people)), *found.wrong_templates()]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return found

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

    def policy(
        self,
        sources: Mapping[str, str] | None = None,
        shops: Mapping[str, Mapping[str, str]] | None = None,
        now_ms: int = 0,
    ) -> Policy:
        """What the desk decides by.

        Args:
            sources: Shop → the source its events come from.
            shops: Shop → its labels as ``alerting.policy.match`` names them.
            now_ms: Around which the tables of mute times and schedules are made.
        """
        return Policy(
            {name: self._receiver(name, given) for name, given in self.receivers.items()},
            self.default,
            self.routes,
            self.self_alerts or "",
            sources or {},
            self.digest_after,
            tree=self.route.node(),
            shops=shops or {},
            mutes={name: given.spans(now_ms) for name, given in self.mute_times.items()},
            inhibitions=tuple(given.inhibition() for given in self.inhibit),
            escalations={name: tuple(s.step() for s in steps) for name, steps in self.escalations.items()},
            schedules={name: given.roster(now_ms) for name, given in self.schedules.items()},
            knows={name: Knows(a.contact, a.mentions) for name, a in self.accounts.items()},
            no_ends=frozenset(name for name, account in self.accounts.items() if not account.tells_ends),
            ack_holds_ms=self.acknowledge.holds,
            ack_remind_ms=self.acknowledge.remind,
        )

    def _receiver(self, name: str, given: ReceiverSettings) -> Receiver:
        language = given.language or self.language
        return Receiver(name, given.accounts, language=language, to=given.to, **given.manner())

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

    def receipt_readers(self, clock: Clock, read_secret: ReadSecret) -> dict[str, ReceiptReader]:
        """What reads the receipts that SMS providers push, by account.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        return Ways(None, clock, read_secret, print).receipts(self.accounts)  # type: ignore[arg-type]

    def heartbeat_url(
        self, client: httpx.AsyncClient, clock: Clock, read_secret: ReadSecret
    ) -> SecretStr | None:
        """The address to ping; None: there is none.

        Raises:
            ConfigError: It cannot be read.
        """
        if self.heartbeat is None:
            return None
        return Ways(client, clock, read_secret, print).url("heartbeat", self.heartbeat)

    def callbacks(
        self, client: httpx.AsyncClient, clock: Clock, read_secret: ReadSecret
    ) -> dict[str, TapReader]:
        """What reads the taps on cards, by account.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        return Ways(client, clock, read_secret, print).callbacks(self.accounts)
