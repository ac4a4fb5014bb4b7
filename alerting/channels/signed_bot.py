"""What the group bots have in common that sign with a secret if they have one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from alerting.channels.base import Markup
    from alerting.ports import Clock


class SignedBot:
    """One bot: the part of its address that makes it ours, and perhaps a secret that signs."""

    path: str  # behind the provider's address

    def __init__(
        self,
        client: httpx.AsyncClient,
        key: SecretStr,
        clock: Clock,
        *,
        base_url: str,
        secret: SecretStr | None = None,
        markup: Markup = "markdown",
    ) -> None:
        """``key`` is the part of the bot's address, ``secret`` what its page calls the signature."""
        self.markup: Markup = markup
        self._client, self._key, self._clock, self._secret = client, key, clock, secret
        self._url = base_url.rstrip("/") + self.path

    def _signed(self) -> str:
        """The secret, empty where the bot does not sign."""
        return self._secret.get_secret_value() if self._secret else ""
