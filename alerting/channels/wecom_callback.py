"""What a WeCom app tells us: a tap on a card's button, signed and encrypted (vendor documents 90968, 90240).

The signature is the SHA-1 of the sorted token, timestamp, nonce and ciphertext; the text is AES-256-CBC with
the key's first half as its vector, padded to 32 bytes: 16 random bytes, the length (4 bytes, big-endian), the
message, the corp id. What is older than five minutes is refused, so that an old tap cannot be played again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from alerting import limits
from alerting.errors import AlertingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from alerting.ports import Clock

_BLOCK = 32
_FIELD = re.compile(r"<(\w{1,32})>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>", re.DOTALL)


class ForgedCallback(AlertingError):  # noqa: N818 - named for what happened
    """Not WeCom's, not for this app, or too old."""


@dataclass(frozen=True, slots=True)
class Tap:
    """Somebody tapped a button: who, on which card, and what the button says to do."""

    user: str
    key: str
    task_id: str


class Callback:
    """One app's callback address.

    Args:
        token: As its page says.
        key: Its EncodingAESKey, 43 characters.
        corp_id: Whose app it is.
        clock: Tells the time.
    """

    def __init__(self, token: SecretStr, key: SecretStr, corp_id: str, clock: Clock) -> None:
        self._token, self._clock, self._corp_id = token, clock, corp_id
        try:
            self._key = base64.b64decode(f"{key.get_secret_value()}=", validate=True)
        except binascii.Error as error:
            raise ValueError("not an EncodingAESKey") from error
        if len(self._key) != 32:
            raise ValueError("not an EncodingAESKey: 43 letters and digits")

    def echo(self, query: Mapping[str, str]) -> str:
        """What to answer when WeCom tries the address.

        Raises:
            ForgedCallback: It is not WeCom.
        """
        return self._open(query, query.get("echostr", ""))

    def read(self, query: Mapping[str, str], body: bytes) -> Tap | None:
        """A tap; None: something else that WeCom tells.

        Raises:
            ForgedCallback: It is not WeCom's, or older than five minutes.
        """
        outer = _fields(body.decode("utf-8", "replace"))
        inner = _fields(self._open(query, outer.get("Encrypt", "")))
        if inner.get("Event") != "template_card_event":
            return None
        return Tap(inner.get("FromUserName", ""), inner.get("EventKey", ""), inner.get("TaskId", ""))

    def reply(self, user: str, button: str) -> str:
        """What to answer to a tap: the button's new name, for the one who tapped it."""
        now_s = self._clock.now_ms() // 1_000
        text = (
            f"<xml><ToUserName>{escape(user)}</ToUserName><FromUserName>{escape(self._corp_id)}</FromUserName>"
            f"<CreateTime>{now_s}</CreateTime><MsgType>update_button</MsgType>"
            f"<Button><ReplaceName>{escape(button)}</ReplaceName></Button></xml>"
        )
        sealed, nonce = self._seal(text), secrets.token_hex(8)
        sign = self._sign(str(now_s), nonce, sealed)
        return (
            f"<xml><Encrypt>{sealed}</Encrypt><MsgSignature>{sign}</MsgSignature>"
            f"<TimeStamp>{now_s}</TimeStamp><Nonce>{nonce}</Nonce></xml>"
        )

    def _sign(self, timestamp: str, nonce: str, sealed: str) -> str:
        parts = sorted((self._token.get_secret_value(), timestamp, nonce, sealed))
        return hashlib.sha1("".join(parts).encode()).hexdigest()  # noqa: S324 - the vendor's

    def _open(self, query: Mapping[str, str], sealed: str) -> str:
        stamp = query.get("timestamp", "")
        wanted = self._sign(stamp, query.get("nonce", ""), sealed)
        if not hmac.compare_digest(wanted.encode(), query.get("msg_signature", "").encode()):
            raise ForgedCallback("the signature does not match; compare token and key with the app's page")
        if not stamp.isdigit() or abs(int(stamp) * 1_000 - self._clock.now_ms()) > limits.CALLBACK_MS:
            raise ForgedCallback("older than five minutes; set the clock")
        try:
            opened = self._cipher().decryptor().update(base64.b64decode(sealed, validate=True))
            size = int.from_bytes(opened[16:20], "big")
            text, corp_id = opened[20 : 20 + size].decode(), opened[20 + size : -opened[-1]].decode()
        except (ValueError, IndexError) as error:
            raise ForgedCallback("not encrypted with the app's key") from error
        if corp_id != self._corp_id:
            raise ForgedCallback("of another corp")
        return text

    def _seal(self, text: str) -> str:
        raw = text.encode()
        plain = secrets.token_bytes(16) + len(raw).to_bytes(4, "big") + raw + self._corp_id.encode()
        pad = _BLOCK - len(plain) % _BLOCK
        return base64.b64encode(self._cipher().encryptor().update(plain + bytes([pad]) * pad)).decode()

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16]))


def _fields(xml: str) -> dict[str, str]:
    """The flat elements of WeCom's XML; nothing in it is ever expanded or loaded."""
    return {name: given or plain for name, given, plain in _FIELD.findall(xml.removeprefix("<xml>"))}
