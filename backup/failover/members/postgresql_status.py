"""What PostgreSQL's answers mean. Pure but for `Memory`, which the caller keeps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from backup.failover.situation import MemberState, MemberStatus, Seen, Standby
from secops.model.cluster import Cluster, Member
from secops.model.step import Result, Trouble
from secops.support.postgresql_wire import CONNECTED

_GAP_SECONDS = 1.5
"""With no look for longer than this nothing is known of the time between."""
_ROOM_BYTES = 64 << 20
"""Four segments of log of the usual size."""
_TURNED_AWAY = "too many clients|connection slots|authentication failed|no pg_hba.conf entry|does not exist|not permitted to log in"
"""Said by a server that runs: nobody's process is gone, and others may be served."""
_ZERO = "'0/0'::pg_lsn"
IDENTITY = (
    "SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || current_setting('synchronous_standby_names')"
)
"""Which names of which start of the server."""
IDENTITY_NOW = f"SELECT extract(epoch FROM clock_timestamp()), ({IDENTITY})"  # noqa: S608 - a constant
STATUS = f"""
SELECT 'self', pg_is_in_recovery(), extract(epoch FROM clock_timestamp()),
  CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
       ELSE pg_current_wal_flush_lsn() END - {_ZERO},
  CASE WHEN pg_is_in_recovery() THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
         (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$'))
       ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  coalesce((SELECT status FROM pg_stat_wal_receiver), ''),
  current_setting('synchronous_standby_names'),
  coalesce((SELECT setting FROM pg_file_settings WHERE name = 'synchronous_standby_names' ORDER BY seqno DESC LIMIT 1), ''),
  current_setting('primary_conninfo'),
  ({IDENTITY})
UNION ALL
SELECT 'standby', false, 0, coalesce(flush_lsn, {_ZERO}) - {_ZERO}, 0, sync_state, application_name,
  coalesce(host(client_addr), 'a local socket'), '', ''
FROM pg_stat_replication WHERE state = 'streaming'
UNION ALL
SELECT 'unsafe', false, 0, 0, 0, name || '=' || value, '', '', '', ''
FROM (VALUES ('fsync', current_setting('fsync'), 'on', true),
             ('full_page_writes', current_setting('full_page_writes'), 'on', NOT pg_is_in_recovery()),
             ('synchronous_commit', current_setting('synchronous_commit'), 'on,remote_apply', NOT pg_is_in_recovery()))
  AS looked_at (name, value, safe, matters) WHERE matters AND value <> ALL (string_to_array(safe, ','))
UNION ALL
SELECT 'unsafe', false, 0, 0, 0, concat_ws(' ', word, 'role ' || rolname, 'database ' || datname), '', '', '', ''
FROM pg_db_role_setting CROSS JOIN LATERAL unnest(setconfig) AS word
LEFT JOIN pg_roles ON pg_roles.oid = setrole LEFT JOIN pg_database ON pg_database.oid = setdatabase
WHERE NOT pg_is_in_recovery() AND word ~* '^synchronous_commit=' AND word !~* '=(on|remote_apply|true|yes|1)$'
"""  # noqa: S608 - a constant
"""The flushed position is read in the same statement as the names, which the session took up before it began. Without a
receiver a standby's timeline is that of its newest log: the control file tells of it late."""

LOOK = """
SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'
  WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'jindun-look' AND wait_event = 'SyncRep'
               AND client_addr IS NOT DISTINCT FROM inet_client_addr() AND pid <> pg_backend_pid()) THEN 'hangs'
  WHEN (SELECT count(*) FROM (SELECT repeat(md5(n::text), 40) FROM generate_series(1, 150) AS n ORDER BY 1 OFFSET 0) AS b) > 0
  THEN pg_logical_emit_message(true, 'jindun', 'canary')::text END
"""
"""A commit that needs no table. While an earlier one of this place still waits there is no other, or they would pile up."""
LOOK_OPTIONS = "-c work_mem=64kB"
"""With so little memory its sort needs a new file, which a full disk refuses though a commit may still find room."""


def commit_waits(since: float, seconds: float) -> str:
    """Succeeds as soon as a session is seen that waits for standbys and began to after that moment of the server's clock;
    fails when none is within so long. The canaries alone give several chances a second."""
    return f"""
DO $$ DECLARE begun timestamptz := clock_timestamp(); BEGIN
  WHILE clock_timestamp() < begun + interval '{seconds} s' LOOP
    PERFORM pg_stat_clear_snapshot();
    IF EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND state_change > to_timestamp({since}))
    THEN RETURN; END IF;
  END LOOP;
  RAISE 'no session was seen to wait';
END $$"""


@dataclass(slots=True)
class Memory:
    """When the standbys in a primary's names last confirmed something new, by the member's clock."""

    confirmed: int = 0
    confirmed_at: float = 0.0
    looked_at: float = 0.0
    room: bool = True
    room_looked_at: float = 0.0
    proven: str = ""
    """The `IDENTITY` for which commits are known to wait."""
    identity: str = ""
    identity_since: float = 0.0
    """Since when it was seen, by the server's clock."""

    def unprotected(self, moment: float, confirmed: int, flushed: int, *, streams: bool) -> float:
        """For how many seconds nobody has confirmed what waits."""
        fine = streams and (confirmed >= flushed or confirmed > self.confirmed)
        if fine or moment - self.looked_at > _GAP_SECONDS:
            self.confirmed_at = moment
        self.confirmed, self.looked_at = confirmed, moment
        return max(0.0, moment - self.confirmed_at)


def running(cluster: Cluster, output: str, memory: Memory) -> MemberStatus:
    """From the rows that STATUS gives."""
    rows = [line.split("|") for line in output.splitlines()]
    _, recovering, moment, flushed, timeline, receiver, names, kept, upstream, identity = next(
        row for row in rows if row[0] == "self"
    )
    if recovering == "t":
        follows = _member_at(cluster, upstream)
        return MemberStatus(
            MemberState.STANDBY,
            timeline=int(timeline or 0),
            flushed=int(flushed or 0),
            follows=follows,
            receiving=receiver == "streaming",
            names_kept=names_in(kept),
            unsafe=_unsafe(cluster, rows),
        )
    standbys = tuple(Standby(row[6], row[5] in ("sync", "quorum"), int(row[3])) for row in rows if row[0] == "standby")
    in_force = names_in(names)
    named = [standby.flushed for standby in standbys if standby.name in in_force]
    unprotected = memory.unprotected(float(moment), max(named, default=0), int(flushed), streams=bool(named))
    return MemberStatus(
        MemberState.PRIMARY,
        timeline=int(timeline),
        flushed=int(flushed),
        # What is set counts once commits are known to wait for it.
        names=in_force if memory.proven == identity else (),
        names_kept=names_in(kept),
        names_since=int(flushed),
        standbys=standbys,
        unprotected_seconds=unprotected if in_force else 0.0,
        unsafe=_unsafe(cluster, rows),
    )


def _unsafe(cluster: Cluster, rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Settings that acknowledge what may vanish, and who confirms under a member's name and is somebody else."""
    found = [row[5] for row in rows if row[0] == "unsafe"]
    for member in cluster.members:
        places = [row[7] for row in rows if row[0] == "standby" and row[6] == member.name]
        if len(places) > 1:
            found.append(f"{member.name} confirms {len(places)} times")
        found += [f"{member.name} confirms from {place}" for place in places if _is_elsewhere(member, place)]
    return tuple(found)


def _is_elsewhere(member: Member, place: str) -> bool:
    """An address of the inventory that is a name cannot be compared."""
    try:
        ip_address(member.address)
    except ValueError:
        return False
    return place != member.address


def moment_of(output: str) -> float:
    """When the member answered, by its own clock."""
    return float(next(line for line in output.splitlines() if line.startswith("self|")).split("|")[2])


def identity_of(output: str) -> str:
    """Of a primary with names, what `IDENTITY` gives; empty for all others."""
    row = next(line for line in output.splitlines() if line.startswith("self|")).split("|")
    return row[9] if row[1] == "f" and row[6] else ""


def has_room(output: str) -> bool:
    """From the free bytes of its file systems, one in a line after the heading."""
    return all(int(line) >= _ROOM_BYTES for line in output.split()[1:])


def stopped(output: str) -> MemberStatus:
    """From what the control file says, or from the state of a process that is there after all."""
    if found := re.match(r"running: (\S)", output):
        return MemberStatus(MemberState.HUNG if found[1] == "T" else MemberState.STARTING)
    fields = dict(re.findall(r"^(.+?):\s+(.*)$", output, re.MULTILINE))
    clean = fields.get("Database cluster state") == "shut down"
    checkpoint = position(fields.get("Latest checkpoint location", "0/0"))
    recovered = position(fields.get("Minimum recovery ending location", "0/0"))
    timeline = max(
        int(fields.get(name) or 0) for name in ("Latest checkpoint's TimeLineID", "Min recovery ending loc's timeline")
    )
    end = _after_checkpoint(checkpoint) if clean else max(checkpoint, recovered)
    return MemberStatus(MemberState.STOPPED, timeline=timeline, flushed=end, clean=clean)


def state_of_failure(told: Result) -> MemberState:
    """What it means that the member does not say what it is doing."""
    if re.search("starting up|shutting down|not accepting connections|recovery state", told.error_output):
        return MemberState.STARTING
    if told.trouble is Trouble.UNREACHABLE and not re.search(_TURNED_AWAY, told.error_output):
        return MemberState.STOPPED
    return MemberState.HUNG


def look_of_row(output: str) -> Seen:
    """What the canary gave."""
    return Seen.NOT_COMMITTING if output == "hangs" else Seen.GOOD


def look_of_failure(told: Result) -> Seen | None:
    """None when it takes a second look: a canary that does not come back is one of two things."""
    if told.trouble is Trouble.FAILED:
        return Seen.NOT_COMMITTING
    if told.trouble is Trouble.TIMEOUT:
        return Seen.NOT_COMMITTING if CONNECTED in told.error_output else None
    if re.search(_TURNED_AWAY, told.error_output):
        return Seen.NOT_COMMITTING
    if re.search("[Nn]o route|unreachable|timed out|timeout", told.error_output):
        return Seen.SILENT
    return Seen.REFUSED


def names_in(setting: str) -> tuple[str, ...]:
    """The names of `synchronous_standby_names`, however they are counted."""
    inner = re.sub(r"^\s*(?:(?:FIRST|ANY)\s+)?\d+\s*\((.*)\)\s*$", r"\1", setting, flags=re.IGNORECASE | re.DOTALL)
    found = re.findall(r'"((?:[^"]|"")*)"|([^\s,"]+)', inner)
    return tuple(quoted.replace('""', '"') or plain for quoted, plain in found)


def position(lsn: str) -> int:
    """Bytes, from PostgreSQL's `16/B374D848`."""
    high, _, low = lsn.strip().partition("/")
    return (int(high, 16) << 32) + int(low or "0", 16)


def _after_checkpoint(start: int) -> int:
    """Where the log ends that a clean stop leaves: after the record of its last checkpoint, which may cross a page."""
    page, record, header, long_header, segment = 8192, 120, 24, 40, 1 << 20
    room = page - start % page
    if room >= record:
        return start + record
    return start + record + (long_header if (start + room) % segment == 0 else header)


def _member_at(cluster: Cluster, conninfo: str) -> str:
    host = re.search(r"(?:^|\s)host=(\S+)", conninfo)
    port = re.search(r"(?:^|\s)port=(\d+)", conninfo)
    for member in cluster.members:
        if host and host[1] == member.address and int(port[1] if port else 5432) == member.port:
            return member.name
    return ""
