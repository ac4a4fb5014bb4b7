"""Accounts become channels: secrets are read, and an address that another channel serves better is its."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import SecretStr

from alerting.channels.aliyun_sms import AliyunSms
from alerting.channels.console import Console
from alerting.channels.dingtalk import DingtalkBot
from alerting.channels.feishu import FeishuBot
from alerting.channels.sms import PhoneBudget, Terms
from alerting.channels.sms_push import AliyunReceipts, TencentReceipts
from alerting.channels.tencent_sms import TencentSms
from alerting.channels.webhook import Webhook
from alerting.channels.wecom_app import Members, WecomApp
from alerting.channels.wecom_bot import WecomBot
from alerting.config import accounts as a
from alerting.config.account import Account
from alerting.config.mapped import ours
from alerting.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from alerting.channels.base import Channel
    from alerting.ports import Clock, TapReader
    from alerting.receipts import ReceiptReader

    # Reads a secret: ("file", path) or ("env", name) to text; or OSError, UnicodeDecodeError, KeyError.
    ReadSecret = Callable[[Literal["file", "env"], str], str]


Given = TypeVar("Given", bound=Account)
Made = TypeVar("Made")


class Ways:
    """What every channel is made with.

    Args:
        client: Over which they call.
        clock: Tells the time.
        read_secret: Reads a file or a variable.
        write: The terminal's.
    """

    def __init__(
        self, client: httpx.AsyncClient, clock: Clock, read_secret: ReadSecret, write: Callable[[str], object]
    ) -> None:
        self._client, self._clock, self._read, self._write = client, clock, read_secret, write
        self._budget = PhoneBudget()

    def marks(self, accounts: Mapping[str, Account]) -> dict[str, object]:
        """What each account says, its secrets as they are now among it: another mark, another channel.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        return _each(accounts, self._mark)

    def _mark(self, account: Account) -> object:
        given = [name for name in (*account.needs, *account.takes) if account.gives(name)]
        return account, [self._secret(account, name) for name in given]

    def open(self, accounts: Mapping[str, Account]) -> dict[str, Channel]:
        """The channels by account.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        return _each(accounts, self._channel)

    def callbacks(self, accounts: Mapping[str, Account]) -> dict[str, TapReader]:
        """What reads the taps on cards, by account; of those that have buttons.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        apps = {n: one for n, one in accounts.items() if isinstance(one, a.WecomAppAccount) and one.buttons}
        return _each(apps, self._callback)

    def receipts(self, accounts: Mapping[str, Account]) -> dict[str, ReceiptReader]:
        """What reads pushed receipts, by account; of those that have a key for it.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
        """
        pushed = {
            n: one for n, one in accounts.items() if "receipt_key" in one.takes and one.gives("receipt_key")
        }
        return _each(pushed, self._receipts)

    def _receipts(self, account: Account) -> ReceiptReader:
        reader = AliyunReceipts if isinstance(account, a.AliyunSmsAccount) else TencentReceipts
        return reader(self._secret(account, "receipt_key"))

    def url(self, name: str, account: Account) -> SecretStr:
        """An address that is a secret.

        Raises:
            ConfigError: It cannot be read, or is none.
        """
        try:
            return self._url(account)
        except _Unusable as error:
            raise ConfigError([f"{name}: {error}"]) from error

    def _callback(self, account: a.WecomAppAccount) -> TapReader:
        token, key = self._secret(account, "callback_token"), self._secret(account, "callback_key")
        try:
            from alerting.channels.wecom_callback import Callback  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise _Unusable("`callback_key` needs: pip install 'slawatch[wecom]'") from error
        try:
            return Callback(token, key, account.corp_id, self._clock)
        except ValueError as error:
            raise _Unusable(f"`callback_key`: {error}") from error

    def _channel(self, account: Account) -> Channel:
        match account:
            case a.WecomBotAccount():
                return self._wecom_bot(account)
            case a.DingtalkAccount():
                return self._dingtalk(account)
            case a.FeishuAccount():
                return self._feishu(account)
            case a.WecomAppAccount():
                return self._wecom_app(account)
            case a.WecomSmartBotAccount():
                return self._smart_bot(account)
            case a.AliyunSmsAccount():
                return self._aliyun(account)
            case a.TencentSmsAccount():
                return self._tencent(account)
            case a.AppriseAccount():
                return self._apprise(account)
            case a.WebhookAccount():
                return self._webhook(account)
            case _:
                return Console(self._write)

    def _wecom_bot(self, account: a.WecomBotAccount) -> WecomBot:
        return WecomBot(
            self._client,
            self._key(account),
            markup=account.format,
            base_url=account.base_url,
            mention_mobiles=account.mention_mobiles,
        )

    def _dingtalk(self, account: a.DingtalkAccount) -> DingtalkBot:
        return DingtalkBot(
            self._client,
            self._key(account),
            self._clock,
            secret=self._optional(account, "secret"),
            markup=account.format,
            base_url=account.base_url,
            mention_mobiles=account.mention_mobiles,
        )

    def _feishu(self, account: a.FeishuAccount) -> FeishuBot:
        return FeishuBot(
            self._client,
            self._key(account),
            self._clock,
            secret=self._optional(account, "secret"),
            markup=account.format,
            base_url=account.base_url,
        )

    def _wecom_app(self, account: a.WecomAppAccount) -> WecomApp:
        return WecomApp(
            self._client,
            account.corp_id,
            account.agent_id,
            self._secret(account, "secret"),
            self._clock,
            Members(account.users, account.parties, account.tags),
            form=account.format,
            card_url=account.card_url or "",
            buttons=account.buttons,
            base_url=account.base_url,
        )

    def _smart_bot(self, account: a.WecomSmartBotAccount) -> Channel:
        try:
            from alerting.channels.wecom_smart_bot import WecomSmartBot  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise _Unusable("needs websockets: pip install 'slawatch[wecom]'") from error
        return WecomSmartBot(
            account.bot_id, self._secret(account, "secret"), account.chats, base_url=account.base_url
        )

    def _aliyun(self, account: a.AliyunSmsAccount) -> AliyunSms:
        return AliyunSms(self._client, self._clock, self._terms(account), self._budget, account.params)

    def _tencent(self, account: a.TencentSmsAccount) -> TencentSms:
        return TencentSms(
            self._client,
            self._clock,
            self._terms(account),
            self._budget,
            account.params,
            app_id=account.app_id,
            region=account.region,
        )

    def _terms(self, account: a.AliyunSmsAccount | a.TencentSmsAccount) -> Terms:
        return Terms(
            account.base_url,
            account.access_id,
            self._secret(account, "secret"),
            account.phones,
            account.sign_name,
            account.template,
            daily=account.daily_per_phone,
            total=account.daily_messages,
            chars=account.param_chars,
        )

    def _webhook(self, account: a.WebhookAccount) -> Webhook:
        url, secret = self._url(account), self._secret(account, "secret")
        return Webhook(self._client, url, secret, self._clock, allow_private=account.allow_private)

    def _apprise(self, account: a.AppriseAccount) -> Channel:
        url = self._secret(account, "url")
        if account_of_ours := ours(url.get_secret_value()):
            return self._channel(account_of_ours)
        try:
            from alerting.channels.apprise_url import AppriseUrl, UnknownAddress  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise _Unusable("needs Apprise: pip install 'slawatch[apprise]'") from error
        try:
            channel = AppriseUrl(url, allow_private=account.allow_private)
        except UnknownAddress as error:
            raise _Unusable(str(error)) from error
        # A service's own https address may mean one of ours, too.
        account_of_ours = ours(channel.canonical.partition("?")[0])
        return self._channel(account_of_ours) if account_of_ours else channel

    def _url(self, account: Account) -> SecretStr:
        url = self._secret(account, "url")
        if not url.get_secret_value().startswith(("https://", "http://")):
            raise _Unusable("`url` must start with https:// or http://")
        return url

    def _key(self, account: a.WecomBotAccount | a.DingtalkAccount | a.FeishuAccount) -> SecretStr:
        """The key of a bot; a whole address, as the provider gives it to be copied, is told."""
        key = self._secret(account, "key")
        if _NO_KEY.search(key.get_secret_value()):
            raise _Unusable(f"`key` holds more than the key: give only what stands {account.key_stands}")
        return key

    def _optional(self, account: Account, name: str) -> SecretStr | None:
        return self._secret(account, name) if account.gives(name) else None

    def _secret(self, account: Account, name: str) -> SecretStr:
        """A secret from where the account says it is; never empty."""
        value: SecretStr | None = getattr(account, name)
        if value is None:
            file, env = getattr(account, f"{name}_file"), getattr(account, f"{name}_env")
            try:
                value = SecretStr(
                    self._read("file", file).strip() if file else self._read("env", env).strip()
                )
            except OSError as error:
                raise _Unusable(f"`{name}_file` {file}: {error.strerror}; name a readable file") from error
            except UnicodeDecodeError as error:
                raise _Unusable(f"`{name}_file` {file}: not UTF-8; save it as UTF-8") from error
            except KeyError as error:
                raise _Unusable(f"`{name}_env`: {env} is not set; set it or use `{name}_file`") from error
        if not value.get_secret_value():
            raise _Unusable(f"`{name}` is empty")
        return value


def _each(accounts: Mapping[str, Given], make: Callable[[Given], Made]) -> dict[str, Made]:
    found: dict[str, Made] = {}
    problems: list[str] = []
    for name, account in accounts.items():
        try:
            found[name] = make(account)
        except _Unusable as error:
            problems.append(f"accounts.{name}: {error}")
    if problems:
        raise ConfigError(problems)
    return found


_NO_KEY = re.compile(r"[\s/?&=]")


class _Unusable(Exception):  # noqa: N818 - not an error yet: a line of ConfigError
    pass
