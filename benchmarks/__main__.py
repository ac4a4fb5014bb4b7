"""All benchmarks, each beside its reference and its bar: ``python -m benchmarks [--short] [NAME…]``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import cluster, cluster_latency, cluster_state, desk, engine, ingest, latency, memory, replay
from benchmarks.table import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Callable

ALL: dict[str, Callable[[], list[Row]]] = {
    "engine": engine.rows,
    "replay": replay.rows,
    "memory": memory.rows,
    "ingest": ingest.rows,
    "latency": latency.rows,
    "desk": desk.rows,
    "cluster": cluster.rows,
    "cluster-latency": cluster_latency.rows,
    "cluster-state": cluster_state.rows,
}
# To see that they run, and roughly where they stand: bars that need the full size are not judged.
SHORT: dict[str, Callable[[], list[Row]]] = {
    "engine": lambda: engine.rows(50_000),
    "replay": lambda: replay.rows(50_000),
    "memory": lambda: memory.rows(500),
    "ingest": lambda: ingest.rows(10),
    "latency": lambda: latency.rows(10),
    "desk": lambda: desk.rows(200, 10, 500),
    "cluster": lambda: cluster.rows(200_000),
    "cluster-latency": lambda: cluster_latency.rows(10),
    "cluster-state": lambda: cluster_state.rows(2_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--short", action="store_true", help="a tenth of the time")
    options = parser.parse_args()
    if unknown := set(options.names) - set(ALL):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    found: list[Row] = []
    for name in options.names or ALL:
        print(f"{name} …", file=sys.stderr, flush=True)
        found += (SHORT if options.short else ALL)[name]()
    day = time.strftime("%Y-%m-%d")
    print(f"{day}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}\n")
    print_rows(found)
    sys.exit(any(row.held is False for row in found))


if __name__ == "__main__":
    main()
