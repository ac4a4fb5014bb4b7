"""The real worker as a process, which stores its state more often: a test is shorter than a checkpoint."""

from __future__ import annotations

import sys

from monitor.cli import main
from monitor.runtime import limits

limits.CHECKPOINT_MS = 1_500
main(sys.argv[1:])
