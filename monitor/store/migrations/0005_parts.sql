-- What shards publish of figures over shops, a row a shard and second; see monitor/aggregate.
create table part (
    at_ms integer not null,
    shard integer not null,
    body blob not null,
    primary key (at_ms, shard)
) without rowid;
