"""Taking over a PostgreSQL with standbys that somebody else set up: what is looked at, what stands in the way, what is
changed. Nothing that is changed needs a restart, and commits go on all the while.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from backup.failover.members.postgresql import connection
from backup.failover.members.postgresql_status import names_in
from secops.model.cluster import Cluster, Member
from secops.model.step import Procedure, ProcedureFailed, Sql, Step, require
from secops.model.text import Text

_LOOK_SECONDS = 5.0
_LOOKS = 300
_OLDEST = 130000
_NEEDED = (
    "server_version_num", "wal_level", "max_wal_senders", "hot_standby", "fsync", "full_page_writes", "wal_log_hints",
    "data_checksums", "synchronous_commit", "synchronous_standby_names", "primary_conninfo", "primary_slot_name",
    "recovery_min_apply_delay", "wal_sender_timeout", "wal_receiver_timeout", "wal_receiver_status_interval",
    "wal_retrieve_retry_interval", "wal_keep_size", "data_directory",
)  # fmt: skip
_LISTED = ", ".join(f"'{name}'" for name in _NEEDED)
_LOOK = f"""SELECT json_build_object(
 'recovering', pg_is_in_recovery(),
 'identifier', (SELECT system_identifier::text FROM pg_control_system()),
 'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
 'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ({_LISTED})),
 'fixed', (SELECT coalesce(json_agg(name), '[]') FROM pg_settings WHERE source = 'command line' AND name IN ({_LISTED})),
 'receiving', EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'),
 'standbys', (SELECT coalesce(json_agg(application_name), '[]') FROM pg_stat_replication WHERE state = 'streaming'),
 'slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE slot_type = 'logical'),
 'weak', (SELECT coalesce(json_agg(coalesce(r.rolname, 'all roles') || ' in ' || coalesce(d.datname, 'all databases') || ': ' || c), '[]')
          FROM pg_db_role_setting AS s LEFT JOIN pg_roles AS r ON r.oid = s.setrole
          LEFT JOIN pg_database AS d ON d.oid = s.setdatabase CROSS JOIN unnest(s.setconfig) AS c
          WHERE c ~ '^synchronous_commit=(off|local|remote_write)$'),
 'tablespaces', (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')))"""  # noqa: S608
_BEST: Mapping[str, tuple[int, int, str]] = {
    "wal_sender_timeout": (1, 5000, "5s"),
    "wal_receiver_timeout": (1, 5000, "5s"),
    "wal_receiver_status_interval": (1, 1, "1s"),
    "wal_retrieve_retry_interval": (1, 200, "200ms"),
    "wal_keep_size": (1024, 1 << 40, "1GB"),
}
"""The least and the most that is left as it is, in the unit that PostgreSQL counts in, and what is set otherwise."""
_WEAK = ("off", "local", "remote_write")


class Weight(StrEnum):
    """What is to be done about what was seen."""

    IN_THE_WAY = "in_the_way"
    """A person must mend it first; nothing is changed before."""
    NOTE = "note"
    """It works, with this limit."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a member, or with an empty name about all."""

    weight: Weight
    member: str
    text: Text


@dataclass(frozen=True, slots=True)
class Change:
    """One statement on one member, and the question on another that tells when it is in force."""

    member: str
    text: Text
    statement: str
    asked: str
    """The member that is asked."""
    until: str
    """Gives `t` when it is in force."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a member says of itself."""

    said: Mapping[str, Any]

    @property
    def recovering(self) -> bool:
        """A standby."""
        return bool(self.said["recovering"])

    def setting(self, name: str) -> str:
        """In PostgreSQL's unit; empty for one that this version does not have."""
        return str(self.said["settings"].get(name, ""))

    def number(self, name: str) -> int:
        """Of a setting that is one."""
        return int(self.setting(name) or 0)


def look(cluster: Cluster, member: Member) -> Procedure[Looked]:
    """Ask one member. Raises ProcedureFailed when it does not answer the account."""
    asked = yield Step(
        f"look at {member.name}", Sql(connection(cluster, member, "jindun-adopt"), _LOOK), timeout_seconds=_LOOK_SECONDS
    )
    told = require(
        asked, f"{member.name} 不应答账号 {cluster.account}", f"{member.name} does not answer {cluster.account}"
    )
    return Looked(json.loads(told.output))


def primary_of(looked: Mapping[str, Looked]) -> str:
    """The one that serves. Raises ProcedureFailed unless there is exactly one."""
    found = [name for name, one in looked.items() if not one.recovering]
    if len(found) != 1:
        listed = ", ".join(found) or "–"
        raise ProcedureFailed(f"须恰有一个主库,现为:{listed}", f"exactly one must be primary, but: {listed}")
    return found[0]


def remarks(cluster: Cluster, looked: Mapping[str, Looked]) -> tuple[Remark, ...]:
    """What stands in the way, and what is to be known."""
    primary = primary_of(looked)
    found: list[Remark] = []
    for name, one in looked.items():
        found += (Remark(Weight.IN_THE_WAY, name, text) for text in _in_the_way(cluster, name, one, looked[primary]))
        found += (Remark(Weight.NOTE, name, text) for text in _notes(one))
    return tuple(found)


def changes(cluster: Cluster, looked: Mapping[str, Looked]) -> tuple[Change, ...]:
    """In the order in which they are made: a name is waited for only while somebody answers to it."""
    primary = primary_of(looked)
    standbys = [name for name in looked if name != primary]
    renamed = [name for name in standbys if not _follows_as_it_should(cluster, name, looked[name], primary)]
    return (
        *(change for name, one in looked.items() for change in _tuned(name, one)),
        *(_widened(cluster, primary, looked[primary]) if renamed else ()),
        *(change for name in renamed for change in _renamed(cluster, name, looked[name], primary)),
        *_narrowed(cluster, primary, looked[primary]),
    )


def make(cluster: Cluster, change: Change) -> Procedure[None]:
    """One change, in force when it returns. Raises ProcedureFailed; may be repeated."""
    member, asked = cluster.member(change.member), cluster.member(change.asked)
    assert member and asked
    there, elsewhere = connection(cluster, member, "jindun-adopt"), connection(cluster, asked, "jindun-adopt")
    is_done = Sql(elsewhere, change.until, "^t$")
    for statement in (change.statement, "SELECT pg_reload_conf()"):
        done = yield Step(
            f"{change.member}: {statement.split('=')[0].strip()}",
            Sql(there, statement),
            changes=True,
            check=is_done,
            timeout_seconds=_LOOK_SECONDS,
        )
        require(done, f"{change.member} 拒绝:{change.text.zh}", f"{change.member} refuses: {change.text.en}")
    for number in range(1, _LOOKS + 1):
        seen = yield Step(f"{change.member}: see it in force, look {number}", is_done, timeout_seconds=_LOOK_SECONDS)
        if seen.ok:
            return
        yield Step(f"wait a little, {number}", Sql(elsewhere, "SELECT pg_sleep(0.1)"), timeout_seconds=_LOOK_SECONDS)
    raise ProcedureFailed(f"未生效:{change.text.zh}", f"it did not come into force: {change.text.en}")


def _in_the_way(cluster: Cluster, name: str, one: Looked, primary: Looked) -> Iterator[Text]:
    version, senders = one.number("server_version_num"), len(cluster.members) + 1
    if not one.said["superuser"]:
        yield Text(f"账号 {cluster.account} 不是超级用户", f"the account {cluster.account} is no superuser")
    if version < _OLDEST or version // 10000 != primary.number("server_version_num") // 10000:
        yield Text(f"版本 {version} 过旧或与主库不同", f"version {version} is too old, or not the primary's")
    if one.said["identifier"] != primary.said["identifier"]:
        yield Text("不是该主库的副本", "it is no copy of that primary")
    if one.recovering and not one.said["receiving"]:
        yield Text("没有在接收主库的日志", "it does not receive the primary's log")
    if one.setting("wal_level") == "minimal":
        yield Text("wal_level 须为 replica(须重启)", "wal_level must be replica (a restart)")
    if one.number("max_wal_senders") < senders:
        yield Text(f"max_wal_senders 至少 {senders}(须重启)", f"max_wal_senders must be {senders} or more (a restart)")
    for setting in ("hot_standby", "fsync", "full_page_writes"):
        if one.setting(setting) == "off":
            yield Text(f"{setting} 不得关闭", f"{setting} must not be off")
    if one.number("recovery_min_apply_delay") and name in cluster.synchronous:
        yield Text("recovery_min_apply_delay 须为 0", "recovery_min_apply_delay must be 0")
    for fixed in sorted(
        set(one.said["fixed"]) & {"primary_conninfo", "synchronous_standby_names", "synchronous_commit"}
    ):
        yield Text(f"{fixed} 写在启动命令行上,无法更改", f"{fixed} is given on the command line and cannot be changed")
    for weak in one.said["weak"] if not one.recovering else ():
        yield Text(f"确认过的写入会丢失:{weak}", f"acknowledged writes would be lost: {weak}")


def _notes(one: Looked) -> Iterator[Text]:
    if one.setting("wal_log_hints") == "off" and one.setting("data_checksums") == "off":
        yield Text(
            "没有 wal_log_hints 也没有校验和:失效后只能整库重新复制",
            "neither wal_log_hints nor checksums: after a failure it is copied anew as a whole",
        )
    if one.said["tablespaces"]:
        yield Text("有表空间:不能整库重新复制", "it has tablespaces: it cannot be copied anew as a whole")
    for slot in one.said["slots"] if not one.recovering else ():
        yield Text(f"逻辑复制槽 {slot} 不随切换转移", f"the logical slot {slot} does not survive a failover")


def _tuned(name: str, one: Looked) -> Iterator[Change]:
    for setting, (least, most, wanted) in _BEST.items():
        if not least <= one.number(setting) <= most:
            yield _set(name, setting, wanted, f"{setting}: {one.setting(setting)} → {wanted}")
    if one.setting("synchronous_commit") in _WEAK:
        was = one.setting("synchronous_commit")
        yield _set(name, "synchronous_commit", "on", f"synchronous_commit: {was} → on")


def _set(name: str, setting: str, value: str, said: str) -> Change:
    until = f"SELECT current_setting('{setting}') = '{value}'"
    return Change(name, Text(said, said), f"ALTER SYSTEM SET {setting} = '{value}'", name, until)


def _follows_as_it_should(cluster: Cluster, name: str, one: Looked, primary: str) -> bool:
    upstream = cluster.member(primary)
    assert upstream
    said = dict(re.findall(r"(\w+)\s*=\s*'?([^\s']+)", one.setting("primary_conninfo")))
    right = (said.get("host"), said.get("port", "5432"), said.get("application_name")) == (
        upstream.address,
        str(upstream.port),
        name,
    )
    return right and not one.setting("primary_slot_name")


def _second(cluster: Cluster, primary: str) -> str:
    return next(name for name in cluster.synchronous if name != primary)


def _names(setting: str, value: str, primary: str, said: str) -> Change:
    quoted = value.replace("'", "''")
    until = f"SELECT current_setting('{setting}') = '{quoted}'"
    return Change(primary, Text(said, said), f"ALTER SYSTEM SET {setting} = '{quoted}'", primary, until)


def _widened(cluster: Cluster, primary: str, one: Looked) -> Iterator[Change]:
    """Both the old names and the new one count while standbys change theirs."""
    now, second = names_in(one.setting("synchronous_standby_names")), _second(cluster, primary)
    if now and "*" not in now and second not in now:
        listed = ", ".join('"' + name + '"' for name in (second, *now))
        value = f"FIRST 1 ({listed})"
        yield _names("synchronous_standby_names", value, primary, f"synchronous_standby_names → {value}")


def _narrowed(cluster: Cluster, primary: str, one: Looked) -> Iterator[Change]:
    now, second = one.setting("synchronous_standby_names"), _second(cluster, primary)
    value = f'FIRST 1 ("{second}")'
    if now and now != value:
        yield _names("synchronous_standby_names", value, primary, f"synchronous_standby_names: {now} → {value}")


def _renamed(cluster: Cluster, name: str, one: Looked, primary: str) -> Iterator[Change]:
    upstream, slot = cluster.member(primary), one.setting("primary_slot_name")
    assert upstream
    streams = (
        f"SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming')"  # noqa: S608
    )
    if slot:
        yield Change(
            name,
            Text(f"不再使用复制槽 {slot}(切换后新主库没有它)", f"no slot any more ({slot} is not on the next primary)"),
            "ALTER SYSTEM SET primary_slot_name = ''",
            name,
            "SELECT current_setting('primary_slot_name') = ''",
        )
    conninfo = connection(cluster, upstream, name).replace(f"dbname={cluster.database} ", "")
    quoted = conninfo.replace("'", "''")
    yield Change(
        name,
        Text(
            f"primary_conninfo:以名称 {name}、账号 {cluster.account} 跟随 {upstream.address}:{upstream.port}",
            f"primary_conninfo: it follows {upstream.address}:{upstream.port} as {name}, with the account {cluster.account}",
        ),
        f"ALTER SYSTEM SET primary_conninfo = '{quoted}'",
        primary,
        streams,
    )
    if slot:
        gone = f"SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}')"  # noqa: S608
        yield Change(
            primary,
            Text(
                f"删除复制槽 {slot},否则它会一直占住日志", f"the slot {slot} is dropped: it would hold the log for ever"
            ),
            f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active",  # noqa: S608
            primary,
            gone,
        )
