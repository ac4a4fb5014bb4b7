"""Every maximum of the desk, the sender and the channels, and what happens there."""

from rules.pack import DAY_MS, HOUR_MS

# The desk
SILENCES_MAX = 1_000  # active silences; a further one is refused with its reason
SILENCE_MS_MAX = 30 * DAY_MS  # a longer silence is cut to this
INTENT_LIFE_MS = DAY_MS  # an intent not sent within a day of being due expires, and `why` says so
NEVER_MS = 1 << 52  # "not before": held until something releases it (about the year 144 000)
FORGET_MS = DAY_MS  # ended silences and quiet groups are forgotten this long after their end

CALENDAR_DAYS_BACK = 2  # tables of mute times and schedules begin so long before they are made …
CALENDAR_DAYS = 800  # … and end so long after: then nothing is muted, and only a fallback is on call
GAP_DAYS = 28  # gaps of schedules are reported so far ahead

# The store: what is older goes at the next prune
TRANSITIONS_KEPT_MS = 35 * DAY_MS
PARTS_KEPT_MS = 6 * HOUR_MS  # figures over shops that nobody has judged
DELIVERIES_KEPT_MS = 35 * DAY_MS  # with their intents
TRACES_KEPT_MS = 7 * DAY_MS
TRACES_MAX = 1_000_000  # about 200 MB; beyond it the oldest go early
INPUTS_KEPT_MS = 7 * DAY_MS  # only what the desk has folded
ACTS_KEPT_MS = 400 * DAY_MS  # what people did, and what they thought of alerts: more than a year
PRUNE_ROWS = 5_000  # rows of one table a prune takes at most, so that no step waits long for it
READ_ROWS = 5_000  # transitions or inputs read at once; a record's transitions are never divided

# The sender
LEASE_MS = 30_000  # a sender that is silent for so long loses its account
DUE_MAX = 4_000  # intents looked at in one turn, the most urgent first; the others wait for the next
SINGLES_MAX = 3  # more messages than this waiting for one receiver are merged into a digest
COLLECT_MS = 4_000  # between the messages of an account after a first few, so that each collects more
BACKOFF_MS_MAX = 60_000  # 1, 2, 4 … 60 s after transient failures
REPLAY_MS = 300_000  # what was in flight so long ago is written anew instead of being sent as it was
CLOSED_MS = 60_000  # an account that answered "too often" is left alone for a minute
STOPPED_MS = 600_000  # an account whose credential was refused is tried again after so long
PAUSE_MS = 1_000  # after the store could not be written
FAILS_MAX = 3  # refusals of a message as bad before its intents have failed
UNRECORDED_MAX = 10_000  # alerts remembered as told without record; beyond it they may be told again

# The auditor
AUDIT_MS = 15_000  # it looks so often
OVERDUE_CRIT_MS = 60_000  # a critical intent that is due so long and has not left is an alert of its own …
OVERDUE_WARN_MS = 600_000  # … and any other
DESK_STUCK_MS = 30_000  # a desk that has news and folds none for so long stands still
UNHEARD_MS = 60_000  # if nobody was told by then by way of the desk, the operator is written to directly …
CRY_MS = 600_000  # … so often, until it is mended
BEAT_S = 10.0  # the longest that a ping of the outside address may take

# Messages
ROW_BYTES = 300  # of a row that a receiver's own template writes
ROW_NAME_BYTES = 24  # a shop's name in a digest row
TEMPLATE_BYTES = 4_096  # of a template; a longer one is a mistake
TEMPLATE_CHARS_OUT = 65_536  # written by a template; the rest is cut
MENTIONS_MAX = 20  # who holds a conversation, mentioned with one message; the others are named only
ITEMS_SHOWN = 5  # conversations named in a message; "N more" counts the rest
WECOM_MARKDOWN_BYTES = 4_096
WECOM_TEXT_BYTES = 2_048
WECOM_APP_BYTES = 2_048  # text and markdown alike
WECOM_CARD_BYTES = 600  # a title of 36 and a text of 160 Chinese characters, three bytes each
DINGTALK_BYTES = 16_000  # of 20,000 a request may hold: escapes, line ends and mentions take the rest
FEISHU_BYTES = 16_000  # of 20 KB, likewise
SMART_CARD_BYTES = 480  # of a smart bot's card below its title: 160 Chinese characters, in whole lines
TITLE_BYTES = 108  # of a card or a notification: 36 Chinese characters
SMS_BYTES = 65_536  # the words of all alerts, of which a template takes what it needs
APPRISE_BYTES = 2_000  # where the service names no limit, or a larger one
WEBHOOK_BYTES = 65_536
CONSOLE_BYTES = 65_536
DETAIL_CHARS = 200  # of a provider's answer kept with a delivery

# What people do
LINK_LIFE_MS = DAY_MS  # a link in a message acts for a day after it was due; then it only shows
ACTS_SHOWN = 20  # of one firing, the last ones
AUDIT_MAX = 1_000  # acts listed at once
STANDING_MS = 30 * DAY_MS  # opinions older than this count no longer for a rule
ACK_MS_MAX = 7 * DAY_MS  # an acknowledgement that is to hold for longer is refused
MUTE_MS = HOUR_MS  # "silence" on a phone is for an hour

# Channels
CONNECT_S = 5.0
ANSWER_S = 10.0  # well below LEASE_MS: a call never outlives its lease
DELIVER_S = 25.0  # where one delivery takes several calls: with it, too, below LEASE_MS
TOKEN_EARLY_MS = 300_000  # a token is renewed so long before it ends
CALLBACK_MS = 300_000  # an older callback is refused
SMS_CLOSED_MS = 600_000  # a phone that had too many: counted by the hour or the day, so no hurry
RECEIPT_PULL_MS = 30_000  # carriers are asked so often while a message is young
RECEIPT_SELDOM_MS = 300_000  # and so often later
RECEIPT_YOUNG_MS = 600_000
RECEIPT_LIFE_MS = DAY_MS  # after a day nobody asks any more, and a pushed receipt decides nothing
RECEIPT_PULLS = 20  # deliveries asked about at once
RECEIPTS_MAX = 500  # in one push
DINGTALK_CLOSED_MS = 600_000  # a bot that sent too often is closed for ten minutes
HEARTBEAT_S = 30.0  # of a smart bot's connection
RECONNECT_S = 1.0  # after a lost connection, then twice that, up to a minute
REPLACED_S = 60.0  # after another connection took over, then twice that
REPLACED_S_MAX = 3_600.0
CARDS_REMEMBERED = 1_000  # titles of cards sent and ids of taps heard; older ones are forgotten
ANSWER_BYTES_MAX = 65_536  # of an answer read; the rest is not needed to judge it
