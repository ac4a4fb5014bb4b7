"""Every maximum of the embedded runtime and its journal, and what happens there."""

# journal
GROUP_BYTES = 8 << 20  # packed bytes of one group commit; the rest waits for the next
PENDING_BYTES_MAX = 64 << 20  # packed bytes waiting for the writer; beyond it an append is refused (429)
FREE_DISK_MIN = 256 << 20  # free bytes that belong to the desk; below it events are refused (503)
JOURNAL_AGE_MS = 35 * 86_400_000  # older rows are deleted
JOURNAL_BYTES_MAX = 20 << 30  # beyond it the oldest rows are deleted
PRUNE_ROWS = 200  # deleted in one step: under 5 ms, so that a commit never waits long
HOUSEKEEPING_MS = 1_000  # free disk is looked at so often while nothing is written, age and size as well
