"""What WeCom posts to an app's callback address when a member taps a button of a card."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from alerting.fakes.wecom_app import FakeWecomApp

TOKEN = "QDG6eK"  # noqa: S105 - of the vendor's sample
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"


def tap(wecom: FakeWecomApp, user: str, card: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """The query and body of the post for a tap of ``user`` on a card's first button."""
    inner = (
        f"<xml><ToUserName><![CDATA[{wecom.corp_id}]]></ToUserName>"
        f"<FromUserName><![CDATA[{user}]]></FromUserName>"
        f"<CreateTime>{wecom.now_ms() // 1_000}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[template_card_event]]></Event>"
        f"<EventKey><![CDATA[{card['button_list'][0]['key']}]]></EventKey>"
        f"<TaskId><![CDATA[{card['task_id']}]]></TaskId><CardType>{card['card_type']}</CardType>"
        f"<ResponseCode><![CDATA[R-1]]></ResponseCode><AgentID>{wecom.agent_id}</AgentID></xml>"
    )
    query, sealed = seal(wecom, inner)
    parts = (f"<ToUserName>{wecom.corp_id}</ToUserName>", f"<Encrypt><![CDATA[{sealed}]]></Encrypt>")
    return query, f"<xml>{''.join(parts)}</xml>".encode()


def seal(wecom: FakeWecomApp, text: str) -> tuple[dict[str, str], str]:
    """A text signed and encrypted as WeCom does: the query, and the ciphertext."""
    raw, key = text.encode(), base64.b64decode(f"{KEY}=")
    plain = b"0123456789abcdef" + struct.pack(">I", len(raw)) + raw + wecom.corp_id.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = base64.b64encode(encryptor.update(plain + bytes([pad] * pad)) + encryptor.finalize()).decode()
    query = {"timestamp": str(wecom.now_ms() // 1_000), "nonce": "1372623149"}
    parts = sorted([TOKEN, sealed, *query.values()])
    query["msg_signature"] = hashlib.sha1("".join(parts).encode()).hexdigest()  # noqa: S324 - WeCom's own
    return query, sealed
