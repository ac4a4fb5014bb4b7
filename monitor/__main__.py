"""``python -m monitor`` is ``slawatch``."""

from monitor.cli import main

main()
