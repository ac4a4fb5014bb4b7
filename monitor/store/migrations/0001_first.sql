-- Shards: who owns them, how far their transitions and their state have come.
create table shard (
    shard integer primary key,
    epoch integer not null,
    position integer not null,        -- last record whose transitions are stored; -1: none
    floor integer not null,           -- first record not yet in the stored state
    floor_clock_ms integer not null
);
create table shard_state (
    shard integer not null,
    key text not null,
    part text not null,
    applied integer not null,
    data blob not null,
    primary key (shard, key, part)
) without rowid;
create table plan (hash text primary key, body blob not null) without rowid;
create table meta (key text primary key, value blob not null) without rowid;

create table transition (
    shard integer not null,
    position integer not null,
    n integer not null,
    at_ms integer not null,
    body blob not null,
    primary key (shard, position, n)
) without rowid;
create index transition_at on transition (at_ms);

-- The desk: what it folds beside transitions, what it holds, how far it came.
create table desk_input (seq integer primary key autoincrement, at_ms integer not null, body blob not null);
create table desk_row (
    kind text not null,
    key text not null,
    body blob not null,
    primary key (kind, key)
) without rowid;
create table desk_position (shard integer primary key, position integer not null);
create table desk (one integer primary key check (one = 1), epoch integer not null, input integer not null);
insert into desk values (1, 0, 0);

-- What is to be told, and what was.
create table intent (
    id text primary key,
    incident text not null,
    account text not null,
    alert text not null,
    kind text not null,
    crit integer not null,
    created_ms integer not null,
    not_before_ms integer not null,
    state text not null default 'queued',
    done_ms integer not null default 0,
    fails integer not null default 0,
    again integer not null default 0,
    delivery integer not null default 0,
    note text not null default '',
    body blob not null
) without rowid;
create index intent_queued on intent (account, crit desc, not_before_ms) where state = 'queued';
create index intent_due on intent (account, not_before_ms) where state = 'queued';
create index intent_ended on intent (account) where state = 'queued' and kind = 'ended';
create index intent_incident on intent (incident, account);
create index intent_delivery on intent (delivery) where delivery > 0;
create index intent_created on intent (created_ms);

create table delivery (
    id integer primary key autoincrement,
    account text not null,
    receiver text not null,
    state text not null,
    crit integer not null,
    again integer not null,
    sent_ms integer not null,
    done_ms integer not null default 0,
    code text not null default '',
    provider_id text not null default '',
    detail text not null default '',
    payload blob not null
);
create index delivery_sent on delivery (account, sent_ms);
create index delivery_flight on delivery (account) where state = 'sending';
create index delivery_age on delivery (sent_ms);
create table account (
    name text primary key,
    owner text not null,
    lease_until_ms integer not null,
    closed_until_ms integer not null default 0
) without rowid;

create table trace (
    id integer primary key autoincrement,
    alert text not null,
    at_ms integer not null,
    step text not null,
    verdict text not null,
    reason text not null
);
create index trace_alert on trace (alert, id);
create index trace_at on trace (at_ms);
