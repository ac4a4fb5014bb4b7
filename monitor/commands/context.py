"""What commands share: where the configuration is, and how a running daemon is reached."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from monitor.settings import Settings
    from monitor.workbench.feed import Answer

DEFAULT = Path("slawatch.yaml")
TIMEOUT_S = 10
SEND_TIMEOUT_S = 30
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and the directory that relative paths in them start from."""

    settings: Settings
    base: Path
    path: Path | None  # None: there is no file, the defaults hold

    def place(self, path: Path) -> Path:
        """A path of the settings, from where the user stands."""
        return self.base / path


def load_configuration(ctx: click.Context) -> Configuration:
    """The configuration that ``--config`` names, else ``slawatch.yaml`` here, else the defaults."""
    from monitor.settings import load_settings  # noqa: PLC0415 - pydantic is slow to import

    path = _path(ctx)
    return Configuration(load_settings(path), path.parent if path else Path(), path)


def as_far_as_right(ctx: click.Context) -> Configuration | None:
    """The configuration without the keys that are wrong, so that one mistake hides no other; None: no way."""
    from monitor.configuration import as_far_as_right as read  # noqa: PLC0415 - pydantic is slow to import
    from monitor.settings import Settings  # noqa: PLC0415

    path = _path(ctx)
    settings = read(path, lambda values: Settings(**values))
    return None if settings is None else Configuration(settings, path.parent if path else Path(), path)


def _path(ctx: click.Context) -> Path | None:
    """The file that ``--config`` names, else ``slawatch.yaml`` here; None: there is none."""
    named = ctx.find_root().obj
    return Path(named) if named else (DEFAULT if DEFAULT.exists() else None)


def daemon_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--url`` and ``--token``, to reach a daemon with."""
    for option in (
        click.option(
            "--token", envvar="SLAWATCH_TOKEN", show_envvar=True, help="Of the daemon, where it asks for one."
        ),
        click.option(
            "--url",
            envvar="SLAWATCH_URL",
            show_envvar=True,
            help="Of the daemon.  [default: where the configuration listens]",
        ),
    ):
        command = option(command)
    return command


def daemon_url(ctx: click.Context, url: str | None) -> str:
    """Where the daemon is: as ``--url`` says, else where the configuration listens."""
    return (url or f"http://{load_configuration(ctx).settings.listen}").rstrip("/")


class Daemon:
    """A running daemon, over its API."""

    def __init__(
        self, ctx: click.Context, url: str | None, token: str | None, timeout_s: int = TIMEOUT_S
    ) -> None:
        self._timeout_s = timeout_s
        self._url = daemon_url(ctx, url)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at ``/api/v1`` + ``path``."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Any, **query: str | int) -> Any:
        """What the daemon answers to JSON posted to ``/api/v1`` + ``path``."""
        return self._ask("POST", path, json=body, params=query)

    def delete(self, path: str) -> Any:
        """What the daemon answers when ``/api/v1`` + ``path`` is to go."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        import httpx  # noqa: PLC0415 - not every command asks a daemon

        try:
            answer = httpx.request(
                method, f"{self._url}/api/v1{path}", headers=self._headers, timeout=self._timeout_s, **request
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise MonitorError(
                f"no daemon answers at {self._url}: {error}",
                mend="start it with `slawatch run`, or say --url",
            ) from error
        if answer.is_success:
            return msgspec.json.decode(answer.content) if answer.content else None
        raise _refusal(answer.status_code, answer.content, self._url)


@contextmanager
def poster(url: str, tokens: Mapping[str, str]) -> Iterator[Callable[[str, bytes], Answer]]:
    """What posts NDJSON to a daemon in the name of a source, with its token if it has one."""
    import httpx  # noqa: PLC0415 - not every command sends

    address = f"{url.rstrip('/').removesuffix('/api/v1/events')}/api/v1/events"

    def post(source: str, body: bytes) -> Answer:
        headers = {"content-type": "application/x-ndjson"}
        if known := tokens.get(source):
            headers["authorization"] = f"Bearer {known}"
        try:
            return client.post(address, content=body, headers=headers)
        except httpx.TransportError as error:
            raise ConnectionError(f"{address}: {error}") from error
        except httpx.InvalidURL as error:
            raise MonitorError(f"{url}: {error}", mend="name a daemon as http://127.0.0.1:8700") from error

    with httpx.Client(timeout=SEND_TIMEOUT_S) as client:
        yield post


def _refusal(status: int, content: bytes, url: str) -> MonitorError:
    """The daemon's own words, which are of one shape: ``{"error": {"code", "what", "mend"}}``."""
    try:
        error = msgspec.json.decode(content, type=dict[str, dict[str, str]])["error"]
    except (msgspec.MsgspecError, KeyError):
        return MonitorError(f"{url} answers {status}", mend="is a slawatch listening there?")
    # A header is what a program sends; who sits at a terminal has an option.
    mend = "give --token or SLAWATCH_TOKEN; `slawatch tokens add` makes one" if status == UNAUTHORIZED else ""
    return MonitorError(error.get("what", str(status)), mend=mend or error.get("mend", ""))
