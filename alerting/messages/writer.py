"""A draft becomes a message: in its receiver's language and words, for whom it means, in its bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alerting.messages.address import Address, address
from alerting.messages.render import Rendered, render_whatever
from alerting.messages.style import Style
from alerting.messages.template import OURS
from alerting.policy.rulings import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alerting.line import Line
    from alerting.messages.template import Templates
    from alerting.policy.compose import Draft
    from alerting.policy.rulings import Policy
    from alerting.ports import Directory


class Writer:
    """Writes messages.

    Args:
        policy: For whom each receiver means, and its language.
        directory: Names and contacts.
        templates: Receiver → how its messages are written, of those that have their own way.
        on_error: Told of what cannot be written so, which is then written plainly.
    """

    def __init__(
        self,
        policy: Policy,
        directory: Directory,
        templates: Mapping[str, Templates],
        on_error: Callable[[str, Exception], object] | None,
    ) -> None:
        self._policy, self._directory = policy, directory
        self._templates, self._on_error = templates, on_error

    def use(self, policy: Policy, templates: Mapping[str, Templates]) -> None:
        """Write by another configuration from here on."""
        self._policy, self._templates = policy, templates

    def write(
        self, line: Line, draft: Draft, now_ms: int, *, unrecorded: bool = False
    ) -> tuple[Rendered, Address]:
        """The message, and whom it is for: who is on call when it leaves."""
        to = address(self._policy, self._directory, draft.receiver, line.name, now_ms)
        receiver = self._policy.receivers.get(draft.receiver)
        language = receiver.language if receiver else "zh"
        # A provider that refused it as bad may count more than we do: try half the size each time.
        limit_bytes = line.channel.limit_bytes >> max(ready.fails for ready in draft.items)
        templates = self._templates.get(draft.receiver, OURS)
        style = Style(language, line.channel.markup, limit_bytes, now_ms, unrecorded, templates, to.mentions)
        if kind := self._policy.knows.get(line.name, NOBODY).contact:
            style = replace(style, contact=kind)
        rendered = render_whatever(draft, self._directory, style, line.name, self._on_error)
        return Rendered(to.on(rendered.message), rendered.taken), to
