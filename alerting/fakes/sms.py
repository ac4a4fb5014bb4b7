"""What both fake SMS providers have: phones, their limits, and receipts that carriers report later."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.fakes.provider import Provider, Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import httpx


@dataclass(slots=True)
class Sent:
    """A message that was taken; ``report`` is what the carrier says of it: "" until it says something."""

    at_ms: int
    serial: str
    phone: str
    key: str
    text: str
    report: str = ""


class FakeSms(Provider):
    """An account with an approved template; ``phones`` are those there are, without their country.

    Args:
        now_ms: The clock.
        access_id: Of the account.
        secret: Of the account.
        phones: Those that exist.
        daily: Messages a phone takes in 24 h; None: as many as the provider lets it have.
        reports: What carriers report at once; "" while a test wants receipts late, None: that it is there.
        template: The template's text; None: the one of the handbook.
    """

    action: str  # the header that says what is called
    most: int  # messages a phone takes in 24 h
    chars: int  # of a variable
    delivered: str  # what carriers report of what is there
    text: str  # of the template
    code: str  # of the template
    sign_name = "晨光"

    def __init__(
        self,
        now_ms: Callable[[], int],
        access_id: str,
        secret: str,
        phones: Iterable[str],
        *,
        daily: int | None = None,
        reports: str | None = None,
        template: str | None = None,
    ) -> None:
        super().__init__(now_ms)
        self.access_id, self.secret, self.phones = access_id, secret, set(phones)
        self.reports = self.delivered if reports is None else reports
        self.template = self.text if template is None else template
        self.sent: list[Sent] = []
        self.nonces: set[str] = set()  # of requests, where a request is good once
        self._day = Quota(daily or self.most, 86_400_000)
        self.server.befalls = lambda request: request.headers.get(self.action) == "SendSms"

    def take(self, phone: str, key: str, text: str) -> Sent:
        """Send a message, and count it."""
        now_ms = self.now_ms()
        self._day.take(phone, now_ms)
        sent = Sent(now_ms, f"{9_006_197_469_364_984 + len(self.sent)}^0", phone, key, text, self.reports)
        self.sent.append(sent)
        self.receive(phone, "sms", text)
        return sent

    def report(self, what: str) -> None:
        """Let carriers report on all that is waiting."""
        for sent in self.sent:
            sent.report = sent.report or what

    @abstractmethod
    def pushed(self, reported: Iterable[Sent]) -> tuple[bytes, bytes]:
        """What the provider pushes of messages that carriers have reported, and the answer it wants."""

    async def push(self, client: httpx.AsyncClient, url: str, *reported: Sent) -> bool:
        """Push once; whether the answer is the one it wants, else it will push again."""
        body, wanted = self.pushed(reported)
        answer = await client.post(url, content=body, headers={"content-type": "application/json"})
        return answer.status_code == 200 and answer.content == wanted

    def unfit(self, words: Iterable[str]) -> str:
        """What is wrong with a template's values: "length", "content" or ""."""
        for word in words:
            if len(word) > self.chars:
                return "length"
            if not word or "【" in word or "://" in word:
                return "content"
        return ""
