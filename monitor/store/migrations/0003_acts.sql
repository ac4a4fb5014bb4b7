-- What people did about alerts, and what they thought of them: the last opinion of each on one firing.
create table act (
    id integer primary key autoincrement,
    at_ms integer not null,
    who text not null,
    what text not null,
    alert text not null,
    incident text not null,
    comment text not null
);
create index act_incident on act (incident, id);
create index act_at on act (at_ms);
create table opinion (
    incident text not null,
    who text not null,
    at_ms integer not null,
    rule text not null,
    what text not null,
    primary key (incident, who)
) without rowid;
create index opinion_rule on opinion (rule, at_ms);
