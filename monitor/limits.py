"""Limits of the daemon's shell: what comes in, what is kept of what was refused, what a page shows.

Each says what happens at the limit; the engine, the rules and the desk have their own ``limits.py``.
"""

from __future__ import annotations

# One event.
LINE_BYTES = 1 << 20  # a longer line or element is refused (too_long)
ID_BYTES = 200  # a longer id is refused (bad_field)
LATEST_MS = 4_102_444_800_000  # 2100-01-01T00:00:00Z: the bound where no arrival is known yet

# One HTTP request. 32 MiB holds a 10 MB line with its neighbours, which are taken though it is refused.
BODY_BYTES = 32 << 20  # a larger body, packed or unpacked, is answered 413
BATCH_EVENTS = 10_000  # more events in one body: 413
BODIES_IN_FLIGHT_BYTES = 128 << 20  # more being read at once: 503 with Retry-After
INLINE_DECODE_BYTES = 1 << 18  # larger bodies are decoded in a thread, so that the loop goes on
WEBHOOK_BYTES = 1 << 20  # a larger webhook body: 413
WEBHOOK_SKEW_S = 300  # a webhook's timestamp further off is a replay: 401

FORM_BYTES = 8 << 10  # a larger form of a page: 413

# Tokens.
REQUESTS_PER_MINUTE = 60_000  # of one token; more: 429 with Retry-After
FAILED_LOGINS_PER_MINUTE = 60  # of one address; more: 429

# Dead letters. Full: the oldest go first, and are counted.
DEAD_LETTERS = 100_000
DEAD_LETTERS_BYTES = 512 << 20
DEAD_LETTER_BYTES = 64 << 10  # of one that does not parse; the rest is cut
DEAD_LETTER_DAYS_UNPARSED = 7  # what does not parse may hold a message text: it is kept this long
DEAD_LETTER_DAYS = 35  # as long as the journal by default

# Files. What does not fit is sorted in runs on disk and merged.
SORT_MEMORY_BYTES = 512 << 20

# Explanations, folded again from the journal. A busy shop has a hundredth of this a day.
EXPLAIN_EVENTS = 500_000  # of the shop, about 10 s; more are refused
EXPLAINS_WAITING = 4  # one is made at a time; further ones are answered 503
EXPLAIN_PAUSE_S = 0.002  # rest after each slice of about 5 ms, so that the loop goes on

# Pages.
STREAMS = 200  # open live pages; more are answered 503
STREAM_INTERVAL_S = 1.0
SHOPS_ON_PAGE = 200
AT_RISK_ON_PAGE = 100
ALERTS_ON_PAGE = 200
SUMS_ON_PAGE = 60  # teams, platforms and agents each; further ones are counted

# Configuration files are bounded by ``rules.limits``, which reads all our YAML.
