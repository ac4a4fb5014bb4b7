"""What InfluxDB needs before figures are written: buckets with their retention, and tasks that thin out.

Points of every 10 s are kept for weeks. A task writes the last of each half-hour into a second bucket that is
kept for years, so that a chart of a season reads a hundredth. A second task does it once a day for what the
spool may have brought late. Both write the same points again and again, which changes nothing.
"""

from __future__ import annotations

import shlex
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from monitor.errors import MonitorError
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from monitor.settings_influx import InfluxSettings

HALF_HOURS: Final = "-half-hours"  # after the name of the bucket
HALF_HOURS_MS: Final = 800 * DAY_MS
TASK: Final = "slawatch half-hours"
LATE_TASK: Final = f"{TASK}, after outages"
_ASK_MS: Final = 5_000
_THIN: Final = """import "date"

option task = {{name: "{name}", every: {every}, offset: 2m}}

until = date.truncate(t: now(), unit: 30m)
span = from(bucket: "{bucket}") |> range(start: date.sub(d: {back}, from: until), stop: until)

span
    |> filter(fn: (r) => r._measurement =~ /^sla_(line|measure|agent)$/)
    |> aggregateWindow(every: 30m, fn: last, createEmpty: false)
    |> to(bucket: "{into}", org: "{org}")

span
    |> filter(fn: (r) => r._measurement == "sla_shop")
    |> filter(fn: (r) => r._field =~ /^(severity|crossed|blind|waiting|at_risk)$/)
    |> aggregateWindow(every: 30m, fn: max, createEmpty: false)
    |> to(bucket: "{into}", org: "{org}")
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and how long it keeps points."""

    name: str
    keep_s: int


@dataclass(frozen=True, slots=True)
class Task:
    """A task by its name, whole as Flux."""

    name: str
    flux: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at. ``state``: there, made, missing, or other than it should be."""

    state: str
    what: str
    command: str


def buckets(settings: InfluxSettings) -> tuple[Bucket, Bucket]:
    """The bucket of figures, and that of half-hours."""
    name = settings.bucket
    return Bucket(name, settings.keep // 1000), Bucket(f"{name}{HALF_HOURS}", HALF_HOURS_MS // 1000)


def tasks(settings: InfluxSettings) -> tuple[Task, Task]:
    """What thins figures out: each half-hour, and each day as far back as something may have waited."""
    whole, thin = buckets(settings)
    days = -(-settings.spool_age // DAY_MS) + 1
    names = {"bucket": _text(whole.name), "into": _text(thin.name), "org": _text(settings.org)}
    return (
        Task(TASK, _THIN.format(name=TASK, every="30m", back="2h", **names)),
        Task(LATE_TASK, _THIN.format(name=LATE_TASK, every="1d", back=f"{days}d", **names)),
    )


def command(settings: InfluxSettings, thing: Bucket | Task) -> str:
    """How a person makes it, with InfluxDB's own command line."""
    org = shlex.quote(settings.org)
    if isinstance(thing, Bucket):
        name = shlex.quote(thing.name)
        return f"influx bucket create --org {org} --name {name} --retention {thing.keep_s}s"
    return f"influx task create --org {org} {shlex.quote(thing.flux)}"


def set_up(settings: InfluxSettings, token: str, base: Path, *, make: bool) -> Iterator[Step]:
    """Look at each thing, and make what is not there if told to; of what is there only tasks are changed.

    Args:
        settings: Where it is.
        token: One that may.
        base: What a relative `ca_file` is relative to.
        make: Whether to.

    Raises:
        MonitorError: The server cannot be asked (``down``), or refuses (``refused``).
    """
    with _told(settings.url):
        client_of: Any = import_module("influxdb_client")  # an extra, and untyped
        link: dict[str, Any] = {"timeout": _ASK_MS, "retries": False}
        if settings.ca_file is not None:
            link["ssl_ca_cert"] = _readable(base / settings.ca_file)
        with client_of.InfluxDBClient(settings.url, token, **link) as client:
            # By its id in all that follows: the client asks for things of all organisations else.
            found = client.organizations_api().find_organizations(org=settings.org)
            if not found:
                what = f"{settings.url}: the token sees no organisation {settings.org!r}"
                raise MonitorError(what, code="refused")
            for bucket in buckets(settings):
                yield _bucket(client, settings, bucket, found[0].id, make=make)
            for task in tasks(settings):
                yield _task(client, settings, task, found[0].id, make=make)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever the client raises is one line with the mend."""
    try:
        from influxdb_client.client.exceptions import InfluxDBError  # noqa: PLC0415
        from influxdb_client.rest import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415
    except ImportError as error:
        mend = "install slawatch with its extra: pip install 'slawatch[influx]'"
        raise MonitorError("influxdb-client is not installed", mend=mend, code="influx") from error
    try:
        yield
    except ApiException as error:
        if not error.status:  # its way to say that TLS failed
            what = f"{url}: {error.reason}"
            raise MonitorError(what, mend="name its authority as `influx.ca_file`", code="down") from error
        words = str(error.message or error.reason).strip()
        raise MonitorError(f"{url}: {error.status} {words}", code="refused") from error
    except InfluxDBError as error:
        raise MonitorError(f"{url}: {error}", code="refused") from error
    except HTTPError as error:
        what = f"{url}: {type(error).__name__}"
        raise MonitorError(what, mend="see that InfluxDB runs and can be reached", code="down") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # of what it cannot make sense
        mend = "see that `influx.url` leads to InfluxDB, and to no proxy's page"
        raise MonitorError(f"{url}: not InfluxDB's answer", mend=mend, code="down") from error


def _readable(authority: Path) -> str:
    try:
        ssl.create_default_context(cafile=authority)
    except OSError as error:
        what = f"influx.ca_file: {authority}: {error.strerror or error}"
        raise MonitorError(what, mend="name a PEM file that can be read", code="down") from error
    return str(authority)


def _bucket(client: Any, settings: InfluxSettings, bucket: Bucket, org_id: str, *, make: bool) -> Step:
    client_of: Any = import_module("influxdb_client")
    by_hand = command(settings, bucket)
    found = _found(client, bucket.name, org_id)
    if found is not None:
        kept_s = next((rule.every_seconds for rule in found.retention_rules), 0)
        if kept_s == bucket.keep_s:
            return Step("there", f"bucket {bucket.name}", "")
        # A shorter time would delete what is there at once: that is for a person to decide.
        kept = f"{kept_s} s" if kept_s else "for ever"
        change = f"influx bucket update --id {found.id} --retention {bucket.keep_s}s"
        return Step("other", f"bucket {bucket.name} keeps points {kept}, not {bucket.keep_s} s", change)
    if not make:
        return Step("missing", f"no bucket {bucket.name}", by_hand)
    rule = client_of.BucketRetentionRules(type="expire", every_seconds=bucket.keep_s)
    client.buckets_api().create_bucket(bucket_name=bucket.name, retention_rules=rule, org=settings.org)
    return Step("made", f"bucket {bucket.name}", "")


def _found(client: Any, name: str, org_id: str) -> Any:
    from influxdb_client.rest import ApiException  # noqa: PLC0415

    try:
        return client.buckets_api().find_buckets(name=name, org_id=org_id).buckets[0]
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def _task(client: Any, settings: InfluxSettings, task: Task, org_id: str, *, make: bool) -> Step:
    client_of: Any = import_module("influxdb_client")
    found = client.tasks_api().find_tasks(name=task.name, org_id=org_id)
    same = bool(found) and found[0].flux == task.flux
    if same and found[0].status != "active":  # paused by somebody, who may have had a reason
        return Step(
            "other", f"task {task.name!r} is paused", f"influx task update --id {found[0].id} --status active"
        )
    if same and found[0].last_run_status == "failed":
        why = found[0].last_run_error or "it does not say why"
        return Step(
            "other", f"task {task.name!r} failed: {why}", f"influx task log list --task-id {found[0].id}"
        )
    if same:
        return Step("there", f"task {task.name!r}", "")
    if not make:
        state = "other" if found else "missing"
        return Step(state, f"no task {task.name!r} as it should be", command(settings, task))
    if found:
        client.tasks_api().update_task_request(found[0].id, client_of.TaskUpdateRequest(flux=task.flux))
    else:
        request = client_of.TaskCreateRequest(org_id=org_id, flux=task.flux, status="active")
        client.tasks_api().create_task(task_create_request=request)
    return Step("made", f"task {task.name!r}", "")


def _text(name: str) -> str:
    """A name within a text of Flux, which would work out what stands in ``${}``."""
    return name.replace("${", r"\${")
