"""The settings of one service: `jindun.yaml` in its home folder. Paths are relative to that folder."""

from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_network
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

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
    playbooks: tuple[str, ...] = ()
    """Folders of playbooks beside the shipped library; one of theirs replaces a shipped one with the same id."""
    schedule: tuple[ScheduleEntry, ...] = ()
    """What `secops playbook run --due` runs when its time has come."""


SCHEMA_KIND = Settings
