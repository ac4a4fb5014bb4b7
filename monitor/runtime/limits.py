"""Every maximum of the embedded runtime and its journal, and what happens there."""

from rules.pack import DAY_MS, HOUR_MS

# journal
GROUP_BYTES = 8 << 20  # packed bytes of one group commit; the rest waits for the next
PENDING_BYTES_MAX = 64 << 20  # packed bytes waiting for the writer; beyond it an append is refused (429)
FREE_DISK_MIN = 256 << 20  # free bytes that belong to the desk; below it events are refused (503)
JOURNAL_AGE_MS = 35 * DAY_MS  # older rows are deleted
JOURNAL_BYTES_MAX = 20 << 30  # beyond it the oldest rows are deleted
PRUNE_ROWS = 200  # deleted in one step: under 5 ms, so that a commit never waits long
HOUSEKEEPING_MS = 1_000  # free disk is looked at so often while nothing is written, age and size as well

# entrance
BACKLOG_EVENTS = 100_000  # taken and not folded, some 2 s; beyond it batches wait for the shard …
SMALL_EVENTS = 10  # … but for those of no more events: as requests they cost more than to fold them …
HELD_S = 2.0  # … no longer than this, then they are refused (429) …
HELD_EVENTS = 100_000  # … and no more events than these at once, 100 MB; others are refused without a wait …
HELD_EVENTS_OF_SOURCE = 75_000  # … so that one source leaves others their place
REFUSED_TOLD_S = 60.0  # that a batch was refused stays so long in what is told

# shard loop
STEP_EVENTS = 1_000  # events a step folds: about 10 ms of the loop, so that ingest goes on during a backlog …
STEP_MS_MAX = 100  # … or more, for no longer than this, while others hold the loop for longer …
STEP_EVENTS_MAX = 16 * STEP_EVENTS  # … and no more than these: behind cheap ones, repeats, may come dear ones
TICK_MS = 1_000  # the shard's clock moves at least so often
UNJUDGED_TOLD_MS = 5_000  # without a tick for so long, people are told that nothing is judged
CHECKPOINT_MS = 30_000  # state trails the log by no more than this …
CHECKPOINT_BYTES = 64 << 20  # … or by so many packed bytes, whichever comes first …
CHECKPOINT_ASLEEP = 200  # … or by so many shops that sleep: each is woken to be folded again, 50 ms in all …
CHECKPOINT_ASLEEP_MS = 5_000  # … which wait so long, and while a shard is behind: it catches up first
SLICE_MS = 20  # a slice of a checkpoint is sized to take so long
SLICE_REST = 4  # times as long as a slice took, the next one waits: a fifth of the loop at most
SLICE_SHOPS_MAX = 500  # shops in one slice
STUCK_MS = 60_000  # no progress with lag for so long ends the process, for its supervisor

# figures over shops
PART_LATE_MS = 30_000  # a shard so far behind another is judged without: what it has is not known
PARTS_KEPT_MS = 600_000  # parts that are in the stored state are deleted so much later
PARTS_READ = 10_000  # rows read at once

# parts
TROUBLE_LOGGED_S = 600.0  # a problem that lasts is logged again so often
RESTART_PAUSE_S = 1.0  # before a failed part runs again; doubles with each failure …
RESTART_PAUSE_MAX_S = 60.0  # … up to this
UNRECORDED_S = 2.0  # what is critical waits so long for the store, then leaves unrecorded and comes again

# desk
CALENDAR_MS = DAY_MS  # tables of mute times and schedules are made anew so often
DESK_TICK_MS = 600_000  # the desk forgets what is over so often

# followed directories
FOLLOW_MS = 1_000  # a directory is looked at so often
FOLLOW_WAITS_MS = 60_000  # a file that is not whole and has not changed for so long is told
FOLLOWED_FILES = 10_000  # in a directory; beyond it those changed last are followed, and that is told
FOLLOWED_PLACES = 20_000  # files known of a directory; beyond it those that are gone are forgotten

# pages
VIEW_AGE_S = 30.0  # lists that nobody asks for are made so often
VIEW_SLICE_S = 0.005  # figures of shops are read for so long in one turn of the loop, …
VIEW_REST = 9  # … and then not for so many times as long: a tenth of the loop at most
VIEW_SHOPS_AT_ONCE = 100  # of no more shops, where it takes no longer than a slice, all are read when asked

# rules
SUMS_LOOK_S = 2.5  # sums are read so often for the page of a desk
RULES_LOOK_S = 1.0  # files of rules, and the plan in force, are looked at so often

# housekeeping
SWEEP_S = 3_600.0  # dead letters are looked at so often for what has expired
PRUNE_PAUSE_S = 600.0  # the store is looked at so often for what is past its retention
LAG_TOLD_MS = 10_000  # a shard further behind, or ahead of the clock, is told, and the daemon is not ready

# memory
COLLECTION_LOOK_S = 0.5  # so often it is looked whether garbage in cycles is to be collected: …
YOUNG_BLOCKS = 250_000  # … among what is new, as memory has grown by so many blocks (20 MB, 30 ms) …
FULL_COLLECTION_S = 21_600.0  # … and everywhere, so long after the last time, or as a shard was let go …
GROWN_BLOCKS = 5_000_000  # … or, if memory has grown by so many since (400 MB; a pause of 0.3 s) …
GROWN_S = 600.0  # … so long after it
GIVE_BACK_S = 30.0  # empty pages are given back so often: 50,000 shops leave 50 MB of holes, found in 20 ms
LARGE_PAGES_S = 0.5  # then, so long, full memory is put into pages of 2 MB: 200 MB of it

# warnings
PACKLESS_TOLD = 50  # platforms without a pack that are warned of; of further ones nothing is said

# stop
FINISH_S = 12.0  # the longest a stop waits for a message that is being sent; longer than a provider may take
LEAVE_S = 8.0  # the longest a stop waits for the group, which may wait for somebody else
DRAIN_S = 30.0  # the longest a stop waits for the state to be written; what is not is folded again

# cluster
SHARDS_MAX = 1_000_000  # partitions; numbers from here on are shards of another kind
REST_MS = 5_000  # a worker packs shops in which nothing happened for so long, sooner when many are awake …
SPARE_SHOPS = 500  # … and none of a shard with no more than these: 25 MB, and a backlog is read without naps
POLL_RECORDS = 4_000  # records of one fetch, over all partitions
PARTITION_BYTES = 1 << 20  # of one partition in a fetch: about 4,000 events, 40 ms of work
BUFFERED_BATCHES = 16  # fetched and not yet folded; then no more is fetched
COMMIT_S = 5.0  # Kafka is told so often how far we are; for its tools, we ask the store
SAVE_PAUSE_S = 0.02  # between looks at shards while a checkpoint is under way …
SAVE_LOOK_S = 0.5  # … and while none is
CAUGHT_UP_MS = 3_000  # a shard whose last own tick, read back, is younger judges in time
TICK_TIMEOUT_MS = 10_000  # a tick that cannot be written for so long is given up, for the next one
LOST_PAUSE_S = 5.0  # a shard that another worker took is not taken back before the group has settled
REREAD_S = 5.0  # what cannot be read of a partition is read again so often
TOPIC_LOOK_S = 30.0  # a worker looks so often whether the topic is still the same
ANSWER_S = 6.0  # a database silent for so long is said; a lock of a stopped process lasts 5 s
CALL_S = 3.0  # a worker says so often which shards it judges, the leading desk looks as often …
CALLED_MS = 15_000  # … and takes for gone who was silent for so long
CALL_KEPT_MS = HOUR_MS  # what a worker said last is kept for so long
UNROLLED_MS = 30_000  # shards that nobody judged for so long are told: longer than a takeover
UNSTORED_BYTES_MAX = 128 << 20  # folded and not in the stored state; beyond it a shard waits for the store
CLOCK_LOOK_S = 30.0  # the database's clock is looked at so often
CLOCK_LOOK_MS_MAX = 250  # half of a look that took longer says too little of the time
CLOCK_APART_MS = 1_000  # a machine's own clock may differ from it by so much before that is told
ONLOOK_RECORDS = 1_000_000  # past a shop's stored state, about 20 s; of workers further behind: refused
EXPLAIN_RECORDS = 3_000_000  # of a partition, about a minute; more are refused
DESK_LEASE_MS = 10_000  # a desk that is silent for so long loses the lead …
DESK_RENEW_S = 3.0  # … and takes it again so often while it lives
DESK_LOOK_S = 0.25  # desk and senders look so often for what others wrote
