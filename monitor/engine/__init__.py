"""The pure engine: events in, figures out."""
