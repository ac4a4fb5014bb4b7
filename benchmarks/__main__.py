"""All benchmarks, each beside its reference and its bar: ``python -m benchmarks [--short] [NAME…]``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import (
    cluster,
    cluster_latency,
    cluster_state,
    countdowns,
    dashboards,
    desk,
    engine,
    influx,
    influx_stuck,
    ingest,
    latency,
    memory,
    replay,
)
from benchmarks.table import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Callable

# Each with the sizes of its short form, to see that it runs and roughly where it stands: bars that need the
# full size are not judged then.
ALL: dict[str, tuple[Callable[..., list[Row]], tuple[int, ...]]] = {
    "engine": (engine.rows, (50_000,)),
    "replay": (replay.rows, (50_000,)),
    "memory": (memory.rows, (500,)),
    "ingest": (ingest.rows, (10,)),
    "latency": (latency.rows, (10,)),
    "countdowns": (countdowns.rows, (10_000, 5)),
    "desk": (desk.rows, (200, 10, 500)),
    "influx": (influx.rows, (100, 10, 30)),
    "influx-stuck": (influx_stuck.rows, (10,)),
    "cluster": (cluster.rows, (200_000,)),
    "cluster-latency": (cluster_latency.rows, (10,)),
    "cluster-state": (cluster_state.rows, (2_000,)),
    "dashboards": (dashboards.rows, (50, 3)),
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
        rows, short = ALL[name]
        found += rows(*short) if options.short else rows()
    day = time.strftime("%Y-%m-%d")
    print(f"{day}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}\n")
    print_rows(found)
    sys.exit(any(row.held is False for row in found))


if __name__ == "__main__":
    main()
