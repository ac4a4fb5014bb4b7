"""Whom a message is for: from a receiver's people and schedules to what its account knows them by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alerting.policy.rulings import NOBODY

if TYPE_CHECKING:
    from alerting.channels.base import Message
    from alerting.policy.rulings import Policy
    from alerting.ports import Directory


def mentionable(contact: str) -> str:
    """How a contact stands in a message, a phone of the mainland without its country; empty: it cannot."""
    plain = contact.removeprefix("+86")
    return plain if all(char.isalnum() or char in "_-@." for char in plain) else ""


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a message is for; nobody named: all that its account reaches.

    ``to`` and ``mentions`` are never shown; ``said`` says who it is in words, for `slawatch why`.
    """

    to: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()  # as the account's provider knows them
    said: str = ""

    def on(self, message: Message) -> Message:
        """The message for them; who holds the conversation is mentioned before who is on call."""
        mentions = tuple(dict.fromkeys((*message.mentions, *self.mentions)))
        return replace(message, to=self.to, mentions=mentions)


def address(policy: Policy, directory: Directory, receiver: str, account: str, now_ms: int) -> Address:
    """Whom a receiver means on an account at ``now_ms``.

    Where nobody is on call, or nobody of them can be told there, all that the account reaches are: a
    message too many is better than none.
    """
    known = policy.receivers.get(receiver)
    if known is None or not known.to:
        return Address()
    people, knows = policy.people(known, now_ms), policy.knows.get(account, NOBODY)
    if not people:
        return Address(said=f"nobody of {', '.join(known.to)} is on call: all of {account}")
    if not knows.contact:
        return Address(said=f"{account} knows no people: all of it")
    found = {who: directory.contact(who, knows.contact) for who in people}
    if knows.mentions:
        found = {who: mentionable(contact) for who, contact in found.items()}
    reached = {who: contact for who, contact in found.items() if contact}
    if not reached:
        return Address(said=f"nobody of {', '.join(people)} can be told there: all of {account}")
    missed = [who for who in people if who not in reached]
    said = ", ".join(reached) + (f", but not {', '.join(missed)}" if missed else "")
    contacts = tuple(reached.values())
    return Address(mentions=contacts, said=said) if knows.mentions else Address(contacts, said=said)
