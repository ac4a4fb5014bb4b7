"""What can go wrong between a transition and a phone; one line each, with the mend."""
# ruff: noqa: N818 - named for what happened: "raise Fenced"


class AlertingError(Exception):
    """Root of the package's errors."""


class ConfigError(AlertingError):
    """``alerting.yaml`` has errors; one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreError(AlertingError):
    """Root of what a store may raise."""


class StoreFull(StoreError):
    """The disk is full: nothing was written. Critical alerts go out unrecorded meanwhile."""


class StoreBusy(StoreError):
    """Another process holds the database and did not let go in time; nothing was written."""


class StoreDown(StoreBusy):
    """The database does not answer. Nothing was written, unless the message says that it is not known."""


class StoreReplaced(StoreError):
    """Another server answers in the store's place: begin anew with what it has."""


class Fenced(StoreError):
    """The epoch was taken by another owner: stop writing, forget what is held."""


class SchemaTooNew(StoreError):
    """The database was written by a newer slawatch."""


class SchemaOld(StoreError):
    """The database must be migrated, and whoever runs it must say so."""
