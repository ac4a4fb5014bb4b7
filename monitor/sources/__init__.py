"""Where events come in: the wire format, files, Chatwoot."""
