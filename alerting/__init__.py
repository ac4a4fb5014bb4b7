"""From transitions to messages on a phone: desk, sender, channels."""
