"""A home folder and everything that its settings wire together, opened when first used."""

import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from backup.canary_ledger import CanaryLedger
from backup.catalogue import Catalogue
from backup.engine import Keys
from backup.policies import Policy, by_tier, load_policies, shipped_policies
from playbooks.load import Library
from scanners.allowed import Window
from scanners.files.check import Means
from scanners.reach import Reach
from scanners.scan import Limits
from scanners.scope import Guard, Scope, scope_of
from secops.coordination.coordinator import Coordinator
from secops.coordination.etcd import Etcd
from secops.coordination.etcd_coordinator import EtcdCoordinator
from secops.coordination.lease_times import LeaseTimes
from secops.coordination.single_node import SingleNodeCoordinator
from secops.evidence.keys import PRIVATE_KEY_NAME, load_private_key
from secops.execution.dialogue import DialogueRunner
from secops.execution.fetch import FetchRunner
from secops.execution.journal import Entry, Journal, Run
from secops.execution.local import LocalRunner
from secops.execution.runner import Runners
from secops.execution.secrets import Secrets
from secops.execution.sql import SqlRunner
from secops.execution.ssh import SshRunner
from secops.inventory.inventory import Inventory
from secops.inventory.load import load_inventory
from secops.model.city import Asset, AssetKind, Tier
from secops.model.step import Command, Result
from secops.model.text import Text
from secops.service.failover.cluster_ledger import ClusterLedger
from secops.service.ledgers import Ledgers
from secops.service.reviewing import Reviewed, Sla, Times, ignore, review
from secops.service.run_replication import RunReplication
from secops.service.saved_queries import SavedQueries
from secops.service.scanning import Eyes
from secops.service.settings import Day, Settings, WindowSettings
from secops.service.storing import Place, open_store, tend_store
from secops.service.tree_scanning import TreeEyes
from secops.sla.holidays import load_calendar, shipped_calendar
from secops.sla.policy import load_sla_policy, shipped_sla_policy
from secops.store.finding_store import FindingStore
from secops.support.clock import now
from secops.support.errors import BadInput, Incomplete
from secops.support.strict_yaml import read

FILE = "jindun.yaml"


class Home:
    """One service: its settings, its city, its stores and its hands. Use it in `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.settings = read(self.folder / FILE).build(Settings)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every file and connection that was opened."""
        self._open.close()

    @cached_property
    def inventory(self) -> Inventory:
        """The city."""
        return load_inventory(self.path(self.settings.inventory))

    @cached_property
    def state(self) -> Path:
        """Folder of what the service remembers."""
        folder = self.path(self.settings.state)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @cached_property
    def store(self) -> FindingStore:
        """Findings."""
        return self._open.enter_context(open_store(self._place))

    @property
    def _place(self) -> Place:
        first = lambda finding: self.times.first(finding)  # noqa: E731, the inventory is read when it is needed
        return Place(self.settings.store, self.state, self.path, self.secrets, first)

    @property
    def saved_queries(self) -> SavedQueries:
        """Queries by name."""
        return SavedQueries(self.state / "queries.json")

    @cached_property
    def journal(self) -> Journal:
        """Runs."""
        journal = Journal(self.state / "journal.sqlite", self._announce)
        self._open.callback(journal.close)
        return journal

    @cached_property
    def catalogue(self) -> Catalogue:
        """Restore points."""
        catalogue = Catalogue(self.state / "restore_points.sqlite")
        self._open.callback(catalogue.close)
        return catalogue

    @cached_property
    def canaries(self) -> CanaryLedger:
        """Which canaries were written and acknowledged, and what copies hold of them."""
        ledger = CanaryLedger(self.state / "canaries.sqlite", self._sign)
        self._open.callback(ledger.close)
        return ledger

    @cached_property
    def coordinator(self) -> Coordinator:
        """Who may act: agreed on in etcd when the settings name one, else on this machine."""
        wanted = self.settings.coordination
        if not wanted.endpoints:
            return SingleNodeCoordinator(self.state / "leases")
        etcd = Etcd(list(wanted.endpoints.values()), context=self.etcd_context)
        return self._open.enter_context(EtcdCoordinator(etcd, self.etcd_prefix, times=self.lease_times))

    @cached_property
    def _replication(self) -> RunReplication | None:
        """Keeps runs in etcd, when there is one."""
        coordinator = self.coordinator
        return RunReplication(coordinator, self.etcd_prefix) if isinstance(coordinator, EtcdCoordinator) else None

    def _announce(self, run: str, entry: Entry, begun: Run | None) -> None:
        if self._replication:
            self._replication.announce(run, entry, begun)

    def take_over(self, run: str) -> None:
        """Bring what other centres did of a run (or of those whose ids begin so) into the journal here."""
        if self._replication:
            self._replication.take_over(self.journal, run)

    @property
    def lease_times(self) -> LeaseTimes:
        """How long leases in etcd live."""
        wanted = self.settings.coordination
        return LeaseTimes(wanted.lease_seconds, wanted.renewed_every_seconds, wanted.self_stop_seconds)

    @property
    def etcd_prefix(self) -> str:
        """Of all keys in etcd; ends with a slash."""
        return self.settings.coordination.prefix.rstrip("/") + "/"

    @property
    def etcd_context(self) -> ssl.SSLContext | None:
        """How members of etcd over https are trusted and know us."""
        wanted = self.settings.coordination
        if not wanted.authorities and not wanted.certificate:
            return None
        try:
            authorities = str(self.path(wanted.authorities)) if wanted.authorities else None
            context = ssl.create_default_context(cafile=authorities)
            if wanted.certificate:
                context.load_cert_chain(
                    self.path(wanted.certificate), self.path(wanted.private_key or wanted.certificate)
                )
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                Text(
                    f"coordination 的证书无法使用:{error}", f"the certificates of coordination cannot be used: {error}"
                )
            ) from None
        return context

    @cached_property
    def library(self) -> Library:
        """Playbooks, the shipped ones and the user's."""
        return Library(self.path(folder) for folder in self.settings.playbooks)

    @cached_property
    def scope(self) -> Scope:
        """Where the service may connect to."""
        wanted = self.settings.scope
        last_moment = datetime.combine(datetime.fromisoformat(wanted.expires), time.max, UTC)
        networks = wanted.networks if wanted.approved_by else ()
        return scope_of(
            networks, wanted.approved_by, last_moment, frozenset(wanted.ports), frozenset(wanted.hosts),
            paths=wanted.paths, methods=frozenset(wanted.methods), windows=tuple(map(_window, wanted.windows)),
        )  # fmt: skip

    @cached_property
    def ssh(self) -> SshRunner:
        """Warm connections to hosts."""
        wanted = self.settings.ssh
        runner = SshRunner(self.hosts, self.path(wanted.identity), self.path(wanted.known_hosts), self.secrets)
        self._open.callback(runner.close)
        return runner

    @cached_property
    def hosts(self) -> dict[str, Asset]:
        """Host assets that take commands, by id."""
        return {asset.id: asset for asset in self.inventory.assets(kind=AssetKind.HOST) if asset.ssh}

    @cached_property
    def secrets(self) -> Secrets:
        """Resolves secret references."""
        return Secrets(self.folder)

    @cached_property
    def runners(self) -> Runners:
        """The hands of the executor."""
        fetch = FetchRunner(self._allowed, self._trusted())
        return Runners(
            LocalRunner(self.secrets),
            self.ssh,
            DialogueRunner(),
            fetch,
            rescan=self.trees,
            ledgers=Ledgers(self.catalogue, self._sign, self.trees.rules, lambda: self.canaries, ClusterLedger(self)),
            sql=SqlRunner(),
        )

    @property
    def vault_keys(self) -> Keys:
        """What opens the vaults, by reference."""
        wanted = self.settings.backup
        return Keys(wanted.passphrase, wanted.state_directory, wanted.ssh_identity, wanted.ssh_known_hosts)

    @cached_property
    def policies(self) -> Mapping[Tier, Policy]:
        """What each DR tier gets."""
        wanted = self.settings.backup.policies
        return by_tier(load_policies(self.path(wanted))) if wanted else shipped_policies()

    def path(self, relative: str) -> Path:
        """A path of the settings, which start at the home folder."""
        return self.folder / Path(relative).expanduser()

    @cached_property
    def eyes(self) -> Eyes:
        """Scans the city."""
        limits = Limits(self.settings.limits.total, self.settings.limits.per_target)
        return Eyes(self.inventory, self.store, self._reach, limits, self.reviewer, self.policies)

    @cached_property
    def trees(self) -> TreeEyes:
        """Scans restored trees."""
        wanted = self.settings.malware
        rules = self.path(wanted.rules) if wanted.rules else None
        clamd = str(self.path(wanted.clamd)) if wanted.clamd else ""
        return TreeEyes(lambda: self.eyes, self.inventory, Means(rules, self.state / "rules", clamd), self._pour)

    def _pour(self, command: Command, timeout_seconds: float, into: Callable[[bytes], None]) -> Result:
        return self.ssh.pour(command, timeout_seconds, into)

    @cached_property
    def sla(self) -> Sla:
        """By when findings are to be mended."""
        wanted = self.settings.sla
        policy = load_sla_policy(self.path(wanted.policy)) if wanted.policy else shipped_sla_policy()
        calendar = load_calendar(self.path(wanted.holidays)) if wanted.holidays else shipped_calendar()
        return Sla(policy, calendar)

    @cached_property
    def times(self) -> Times:
        """How much time there is for what."""
        return Times(self.inventory, self.sla)

    def reviewer(self) -> Callable[[], None]:
        """What is called when findings were recorded. A mistake in the rules is raised now, before anything is looked at;
        a store that does not answer leaves the review to the next time.
        """
        sla = self.sla

        def settle() -> None:
            with suppress(Incomplete):
                review(self.store, self.inventory, sla, now())
            with suppress(Incomplete, BadInput):
                # What stands in the way is told by `secops store roll`.
                tend_store(self._place)

        return settle

    def review(self, *, anew: bool = False, on_looked: Callable[[int], None] = ignore) -> Reviewed:
        """Bring acceptances and deadlines of findings up to now."""
        return review(self.store, self.inventory, self.sla, now(), anew=anew, on_looked=on_looked)

    def _sign(self, text: str) -> str:
        """By the key that seals evidence; empty when there is none yet."""
        key = self.path(self.settings.keys) / PRIVATE_KEY_NAME
        return load_private_key(key).sign(text.encode()).hex() if key.exists() else ""

    def _reach(self) -> Reach:
        trusted = self.settings.scope.authorities
        return Reach(Guard(self.scope), shell=self.ssh, authorities=str(self.path(trusted)) if trusted else "")

    def _allowed(self, host: str, port: int) -> bool:
        # Hours are for scanning; whether a site is up again is asked when it is.
        return replace(self.scope, windows=()).refuse(host, ip_address(host), port, now()) is None

    def _trusted(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.settings.scope.authorities:
            context.load_verify_locations(self.path(self.settings.scope.authorities))
        return context


def open_home(folder: Path | None = None) -> Home:
    """The home in `folder`, else in JINDUN_HOME, else here. Raises BadInput when there is none."""
    chosen = folder or Path(os.environ.get("JINDUN_HOME") or ".")
    if not (chosen / FILE).is_file():
        raise BadInput(
            Text(
                f"{chosen} 不是津盾的工作目录(没有 {FILE});用 secops init 建立一个,或用 --home 指定",
                f"{chosen} is no home of Jindun (no {FILE} in it); make one with `secops init`, or name it with --home",
            )
        )
    return Home(chosen)


def _window(written: WindowSettings) -> Window:
    begins, ends = (time.fromisoformat(clock) for clock in (written.begins, written.ends))
    return Window(begins, ends, frozenset(list(Day).index(day) for day in written.days), written.zone)
