-- What carriers reported of SMS, by the provider's id of a message to one phone. A receipt may come before
-- the answer to the call is written down, twice, or after another one: that it arrived is never taken back.
create table receipt (
    account text not null,
    id text not null,
    at_ms integer not null,
    delivered integer not null,
    code text not null,
    primary key (account, id)
) without rowid;
create index receipt_at on receipt (at_ms);
create index delivery_reported on delivery (account, sent_ms) where state = 'accepted' and provider_id != '';
