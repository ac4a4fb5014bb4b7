"""Whatever Apprise can reach and we have no channel for: mail, Slack, … by its address.

Apprise tells that a service failed, and why only in its log: ``error=503`` is an HTTP status, a connection
that was refused reads like one that broke after the message had left. So a time-out and a broken connection
leave open what became of the message, and a success says no more than that the service took it. What is
waited for is bounded here; Apprise's own spacing of messages is off, since the sender keeps the account's.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import apprise
import msgspec

from alerting import limits
from alerting.channels.addresses import public_address
from alerting.channels.base import DeliveryResult, Markup, Message
from alerting.channels.http import judge_status_code
from alerting.channels.markup import title_and_rest
from alerting.policy.throttle import Allowance

if TYPE_CHECKING:
    from pydantic import SecretStr

# All of them write whole addresses, and with them keys: below WARNING, and Apprise of an address it cannot
# read at ERROR too. What it says of a message is taken from its result.
for _name in ("apprise", "urllib3", "requests"):
    logging.getLogger(_name).setLevel(logging.WARNING)
_LOG = logging.getLogger("apprise")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False  # its results are made of what it logs, so it must log

_STATUS = re.compile(r"\berror=(\d{3})\b")
_BROKEN = re.compile(r"connection error|timed? ?out|socket", re.IGNORECASE)


class UnknownAddress(Exception):  # noqa: N818 - named for what happened
    """Apprise knows no service of such an address, or needs another package for it."""


class _Post(msgspec.Struct):
    title: str
    body: str


class AppriseUrl:
    """One address, which is one service."""

    markup: Markup = "text"
    allowance = Allowance()

    def __init__(self, url: SecretStr, *, allow_private: bool = False) -> None:
        """Read the address.

        Raises:
            UnknownAddress: Nothing can be sent there.
        """
        asset = apprise.AppriseAsset(app_id="slawatch", app_desc="slawatch", storage_mode="memory")
        _LOG.setLevel(logging.CRITICAL)
        try:
            service = apprise.Apprise.instantiate(url.get_secret_value(), asset=asset)
        finally:
            _LOG.setLevel(logging.WARNING)
        if service is None:
            raise UnknownAddress("`url`: no address that Apprise knows; see its list of services")
        service.request_rate_per_sec = 0
        self.canonical: str = service.url()  # type: ignore[no-untyped-call] # as Apprise writes it; secret
        self.limit_bytes = min(service.body_maxlen or limits.APPRISE_BYTES, limits.APPRISE_BYTES)
        self._host: str = getattr(service, "host", None) or ""
        self._port: int = getattr(service, "port", None) or 443
        self._allow_private = allow_private
        self._services = apprise.Apprise(asset=asset)
        self._services.add(service)

    def payload(self, message: Message) -> bytes:
        """Title and text; a message of one line is titled by us."""
        title, rest = title_and_rest(message.body)
        return msgspec.json.encode(_Post("slawatch" if rest == message.body else title, rest))

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Send once. Apprise resolves the host anew, so a name that changes meanwhile is not caught."""
        if self._host and not self._allow_private:
            address = await public_address(self._host, self._port)
            if isinstance(address, DeliveryResult):
                return address
        given = msgspec.json.decode(payload, type=_Post)
        result = await self._services.async_notify(
            body=given.body, title=given.title, body_format=apprise.NotifyFormat.TEXT, timeout=limits.ANSWER_S
        )
        return judge(result)


def judge(result: apprise.AppriseResult) -> DeliveryResult:
    """Read what each service says; here there is one."""
    if not result.results:
        return DeliveryResult("bad_request", detail="Apprise had nothing to send")
    (service,) = result.results
    if service.status == apprise.AppriseResultStatus.SUCCESS:
        return DeliveryResult("ok", detail="taken, as Apprise tells it")
    if service.status == apprise.AppriseResultStatus.TIMEOUT:
        return DeliveryResult("ambiguous", detail="no answer in time, as Apprise tells it")
    said = " ".join(entry.message for attempt in service for entry in attempt)
    if status := _STATUS.search(said):
        return judge_status_code(int(status[1]))
    if _BROKEN.search(said):
        return DeliveryResult("ambiguous", detail="the connection failed, as Apprise tells it")
    return DeliveryResult("transient", detail="not taken, as Apprise tells it")
