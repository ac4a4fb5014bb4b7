"""What the pinned builder lacks: queries in Flux, annotations by a query, and links of values."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DataSourceRef

SOURCE = DataSourceRef(type_val="influxdb", uid="slawatch-influx")
ANNOTATION = "red"


class Flux(Dataquery):
    """A query of the data source."""

    def __init__(self, query: str, ref: str = "A") -> None:
        self.query, self.ref_id = query, ref

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {"refId": self.ref_id, "query": self.query, "datasource": SOURCE}


class Asked(Builder[Dataquery]):
    """A query for a panel that is being built."""

    def __init__(self, query: str, ref: str = "A") -> None:
        self._flux = Flux(query, ref)

    def build(self) -> Flux:
        """The query."""
        return self._flux


class Note(AnnotationQuery):
    """Annotations by a query of ours, which the pinned builder has no field for."""

    def __init__(self, name: str, query: str) -> None:
        super().__init__(name=name, datasource=SOURCE, enable=True, icon_color=ANNOTATION)
        self._query = query

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {**super().to_json(), "query": self._query, "refId": "Anno"}


class Noted(Builder[AnnotationQuery]):
    """The same for a board that is being built."""

    def __init__(self, name: str, query: str) -> None:
        self._note = Note(name, query)

    def build(self) -> Note:
        """The annotations."""
        return self._note


class Door(Builder[Any]):
    """A link of a value or a row to another board."""

    def __init__(self, title: str, url: str) -> None:
        self._made = {"title": title, "url": url}

    def build(self) -> dict[str, str]:
        """As Grafana stores it."""
        return self._made
