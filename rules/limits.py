"""What a pack or rule file may ask of us; past a limit it is refused with the place."""

from __future__ import annotations

MAX_FILE_CHARACTERS = 2_000_000
MAX_DEPTH = 24  # nested lists and mappings
MAX_ALIASES = 200  # uses of YAML anchors in one file
MAX_NODES = 200_000  # values in one file with every alias written out
MAX_COMPARISONS = 32  # in one level of a rule
MAX_ALTERNATIVES = 256  # ways in which one level can hold, as the lints see it
MAX_RULES = 2_000
MAX_ID_CHARACTERS = 64
