"""The settings of one service: `jindun.yaml` in its home folder. Paths are relative to that folder."""

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

from scanners.allowed import lies_below
from secops.model.text import Text
from secops.service.store_settings import StoreSettings
from secops.support.clock import now
from secops.support.misfits import BadValue

_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}


def _network(written: str) -> str:
    try:
        ip_network(written)
    except ValueError:
        raise BadValue(Text(f"“{written}”不是网段", f"“{written}” is not a network like 10.1.0.0/16")) from None
    return written


def _date(written: str) -> str:
    try:
        date.fromisoformat(written)
    except ValueError:
        raise BadValue(Text(f"“{written}”不是日期", f"“{written}” is not a date like 2027-12-31")) from None
    return written


def _clock(written: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", written):
        raise BadValue(Text(f"“{written}”不是时刻,应为 22:30", f"“{written}” is not a time of day like 22:30"))
    return written


def _zone(written: str) -> str:
    try:
        ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadValue(Text(f"没有时区“{written}”", f"there is no time zone “{written}”, like Asia/Shanghai")) from None
    return written


def _path(written: str) -> str:
    # What a server may read in another way is refused when it is asked for, and must not be authorised either.
    if not written.startswith("/") or "?" in written or not lies_below(written, (written,)):
        raise BadValue(
            Text(
                f"“{written}”不是路径:应以 / 开头,不含 ..、编码和查询",
                f"“{written}” is not a path: it begins with /, without .., encoding and query",
            )
        )
    return written


def _method(written: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z-]{1,19}", written):
        raise BadValue(Text(f"“{written}”不是请求方法,应大写", f"“{written}” is no method of HTTP in upper case"))
    return written


# An evaluation that waits for none of no places would wait for ever.
_AtOnce = Annotated[int, Field(ge=1, le=1000)]


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How the service logs in to hosts."""

    __pydantic_config__ = _STRICT
    identity: str = "keys/ssh"
    """Private key file."""
    known_hosts: str = "keys/known_hosts"
    """Pinned host keys; a host that is not in it is refused."""


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """What copies there are to be, how they are locked and how source hosts reach vaults."""

    __pydantic_config__ = _STRICT
    policies: str = ""
    """File with the policy of each DR tier; empty: the one that comes with Jindun."""
    passphrase: str = "${file:keys/vault}"  # noqa: S105, a reference and not the secret
    """Secret reference of the vaults' passphrase."""
    state_directory: str = "/var/lib/jindun/borg"
    """Absolute path, on each source host, of the engines' caches."""
    ssh_identity: str = ""
    """Path, on each source host, of the private key for vaults over ssh."""
    ssh_known_hosts: str = ""
    """Path, on each source host, of the vaults' pinned host keys."""


@dataclass(frozen=True, slots=True)
class CoordinationSettings:
    """How the services of several centres agree on who acts: an etcd with a member in each. One centre needs none."""

    __pydantic_config__ = _STRICT
    endpoints: dict[str, str] = field(default_factory=dict)
    """`http://ADDRESS:PORT` of the etcd member of each centre, by the centre's id; empty: this machine is alone."""
    prefix: str = "/jindun/"
    """Of all keys; one for each city that shares the etcd."""
    authorities: str = ""
    """PEM file of what members over https are trusted by."""
    certificate: str = ""
    """PEM file that members over https know us by."""
    private_key: str = ""
    """PEM file of its key."""
    lease_seconds: Annotated[int, Field(ge=2, le=60)] = 5
    """How long etcd waits for a service that says nothing before others may act."""
    renewed_every_seconds: Annotated[float, Field(gt=0)] = 1.0
    self_stop_seconds: Annotated[float, Field(gt=0)] = 3.5
    """After how long without an answer a service stops itself; less than the lease."""

    def __post_init__(self) -> None:
        if not 0 < self.renewed_every_seconds < self.self_stop_seconds < self.lease_seconds:
            raise BadValue(
                Text(
                    "应有 renewed_every_seconds < self_stop_seconds < lease_seconds",
                    "it takes renewed_every_seconds < self_stop_seconds < lease_seconds",
                )
            )


class Day(StrEnum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Hours in which anything may be sent, every week."""

    __pydantic_config__ = _STRICT
    begins: Annotated[str, AfterValidator(_clock)]
    """`22:30`."""
    ends: Annotated[str, AfterValidator(_clock)]
    """Before it begins: on the next day."""
    days: tuple[Day, ...] = ()
    """On which it begins; empty: every day."""
    zone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    """Where the clock hangs."""

    def __post_init__(self) -> None:
        if self.begins == self.ends:
            raise BadValue(Text("起止时刻相同", "it ends when it begins"))


@dataclass(frozen=True, slots=True)
class ScopeSettings:
    """Where the service may connect to. Nothing is sent anywhere else."""

    __pydantic_config__ = _STRICT
    networks: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """CIDR blocks."""
    approved_by: Annotated[str, AfterValidator(str.strip)] = ""
    """Who authorised scanning them; empty: nothing is scanned."""
    expires: Annotated[str, AfterValidator(_date)] = "9999-12-31"
    """Last day of the authorisation, `YYYY-MM-DD`, in UTC."""
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = ()
    """Empty: every port."""
    hosts: tuple[str, ...] = ()
    """Names that may be resolved; empty: any whose every address lies in `networks`."""
    paths: tuple[Annotated[str, AfterValidator(_path)], ...] = ()
    """Below which web sites may be asked; empty: everywhere."""
    methods: tuple[Annotated[str, AfterValidator(_method)], ...] = ()
    """Of HTTP, as `GET`; empty: what the profile of a scan allows."""
    windows: tuple[WindowSettings, ...] = ()
    """When anything may be sent; empty: always."""
    authorities: str = ""
    """PEM file of certificate authorities that are trusted besides the system's."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How gently the service looks."""

    __pydantic_config__ = _STRICT
    total: _AtOnce = 64
    """Evaluations at once."""
    per_target: _AtOnce = 4
    """Evaluations at once on one address."""


@dataclass(frozen=True, slots=True)
class MalwareSettings:
    """What restored copies are scanned with before they count as clean."""

    __pydantic_config__ = _STRICT
    rules: str = ""
    """Folder of YARA rules (`*.yar`, `*.yara`); empty: none."""
    clamd: str = ""
    """Unix socket of ClamAV's clamd; empty: none."""


@dataclass(frozen=True, slots=True)
class SlaSettings:
    """By when findings are to be mended."""

    __pydantic_config__ = _STRICT
    policy: str = ""
    """File with the times by level, severity and exposure; empty: the one that comes with Jindun."""
    holidays: str = ""
    """File with the holidays; empty: the published ones that come with Jindun."""


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A playbook that runs by the clock."""

    __pydantic_config__ = _STRICT
    id: str
    playbook: str
    cron: str
    """Five fields in local time, e.g. `30 2 * * *`."""
    inputs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            CronSim(self.cron, now())
        except CronSimError:
            raise BadValue(
                Text(f"“{self.cron}”不是 cron 表达式", f"“{self.cron}” is not a cron expression, like `30 2 * * *`")
            ) from None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is about the service and not about the city."""

    __pydantic_config__ = _STRICT
    inventory: str = "inventory.yaml"
    state: str = "state"
    """Folder of findings, journal, restore points and evidence."""
    keys: str = "keys"
    ssh: SshSettings = field(default_factory=SshSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    scope: ScopeSettings = field(default_factory=ScopeSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    malware: MalwareSettings = field(default_factory=MalwareSettings)
    sla: SlaSettings = field(default_factory=SlaSettings)
    coordination: CoordinationSettings = field(default_factory=CoordinationSettings)
    playbooks: tuple[str, ...] = ()
    """Folders of playbooks beside the shipped library; one of theirs replaces a shipped one with the same id."""
    schedule: tuple[ScheduleEntry, ...] = ()
    """What `secops playbook run --due` runs when its time has come."""


SCHEMA_KIND = Settings
