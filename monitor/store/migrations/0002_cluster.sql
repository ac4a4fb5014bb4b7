-- State in rows of bounded size: what is larger is cut into chunks.
alter table shard_state rename to shard_state_1;
create table shard_state (
    shard integer not null,
    key text not null,
    part text not null,
    chunk integer not null,
    applied integer not null,
    data blob not null,
    primary key (shard, key, part, chunk)
) without rowid;
insert into shard_state select shard, key, part, 0, applied, data from shard_state_1;
drop table shard_state_1;

-- One desk leads, as long as it renews its lease.
alter table desk add column owner text not null default '';
alter table desk add column lease_until_ms integer not null default 0;

-- Inputs are numbered by a row and not by a sequence: who took a number holds the row until its commit, so
-- nobody reads 7 while 6 may still come.
create table desk_number (one integer primary key check (one = 1), input integer not null);
insert into desk_number select 1, max(n) from (
    select input as n from desk union all select coalesce(max(seq), 0) as n from desk_input
) as numbers;
