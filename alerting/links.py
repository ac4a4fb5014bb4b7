"""Links that open one alert's page on a phone: signed, so that nobody can make one, and good for a day.

``{public_url}/a/{what it is for}.{signature}``. Who has the link may acknowledge that one firing of that one
alert, mute it for an hour, close it and say what it was worth; nothing else. It names its alert in full, so
that it is read without a table, and the page can say what became of an alert that is long over.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.errors import AlertingError
from alerting.policy.records import alert_key

if TYPE_CHECKING:
    from alerting.policy.records import Intent

KEY_BYTES = 32
_SIGNATURE_BYTES = 16
_PURPOSE = b"slawatch link 1\0"


class BadLink(AlertingError):  # noqa: N818 - named for what it is, as the others
    """Not a link of ours: cut short, changed, or signed by another store's key."""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link is for: one firing of an alert, told to a receiver, until ``expires_s`` (since 1970)."""

    rule: str
    subject: dict[str, str]
    incident_end: str  # the incident is the alert's key and this
    receiver: str
    expires_s: int

    @property
    def alert(self) -> str:
        """The alert's key."""
        return alert_key(self.rule, self.subject)

    @property
    def incident(self) -> str:
        """The firing."""
        return f"{self.alert}{self.incident_end}"

    def expired(self, now_ms: int) -> bool:
        """Whether it may only be looked at."""
        return now_ms >= self.expires_s * 1_000


class Links:
    """Makes links and reads them.

    Args:
        key: Secret, the same in every process that makes or reads them.
        public_url: Where people reach the pages; empty: there are no links.
    """

    def __init__(self, key: bytes, public_url: str) -> None:
        self._key, self._url = key, public_url.rstrip("/")

    def url(self, intent: Intent) -> str:
        """The link of an intent: the same whenever it is made, so that a repeated message is the same."""
        if not self._url:
            return ""
        due_ms = max(intent.not_before_ms, intent.created_ms)
        expires_s = (due_ms + limits.LINK_LIFE_MS) // 1_000
        end, t = intent.incident.removeprefix(intent.alert), intent.transition
        return f"{self._url}/a/{self.token(Link(t.rule, t.subject, end, intent.receiver, expires_s))}"

    def token(self, link: Link) -> str:
        """The signed part of the address."""
        body = msgspec.msgpack.encode(link)
        return f"{_text(body)}.{_text(self._sign(body))}"

    def read(self, token: str) -> Link:
        """What a link is for; whether it has expired is for the caller to ask.

        Raises:
            BadLink: It is none of ours.
        """
        body, _, signature = token.partition(".")
        try:
            raw, given = _bytes(body), _bytes(signature)
            if hmac.compare_digest(self._sign(raw), given):
                return msgspec.msgpack.decode(raw, type=Link)
        except (ValueError, msgspec.MsgspecError) as error:
            raise BadLink("this link is damaged") from error
        raise BadLink("this link is not one of ours")

    def _sign(self, body: bytes) -> bytes:
        return hmac.new(self._key, _PURPOSE + body, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Strict, so that there is one way to write each link."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(raw) != text:
        raise ValueError(text)
    return raw
