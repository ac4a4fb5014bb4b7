"""The root of what the daemon raises for a person to read."""


class MonitorError(Exception):
    """One line that names the thing, where it is, and the mend."""
