"""A restored etcd is started as a cluster of one on two sockets; it has no network."""

import json

from backup.apart import ask_apart, require_file, start_apart, stop_apart
from backup.canaries.etcd import NEWEST
from backup.engine import options_of
from backup.engines.etcd import DATA, SNAPSHOT, EtcdOptions
from backup.programs import with_secret
from backup.trial import Looked, Trial, TrialFailed
from secops.model.city import Asset, Product
from secops.model.step import Procedure
from secops.model.text import Text

_ENDPOINT = "unix://client:1"
"""etcd takes its sockets for hosts with ports; the file is called `client:1`."""


class EtcdTrial(Trial):
    """The server must stand at the revision of the snapshot; questions are keys, their answers the values."""

    name = "etcd"
    describes = Text("启动恢复出的 etcd 并检查", "starts a restored etcd and compares its revision")
    product = Product.ETCD
    needs = ("sh", "etcd", "etcdctl", "setpriv", "setsid")

    def start(self, source: Asset, host: str, folder: str) -> Procedure[float]:
        yield from require_file(host, f"{folder}/{DATA}/member/snap/db")
        listen = ("--listen-client-urls", _ENDPOINT, "--listen-peer-urls", "unix://peer:1")
        program = ("etcd", "--data-dir", f"{folder}/{DATA}", *listen, "--advertise-client-urls", "http://localhost:1")
        # No read asks for a login here: it is the server's own state.
        ready = ("etcdctl", "--endpoints", _ENDPOINT, "--command-timeout", "2s", "endpoint", "status")
        return (yield from start_apart(host, folder, program, ready, "etcd", "etcd-server"))

    def ask(self, source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[str]:
        answer = yield from self._call(source, host, folder, name, "get", "--print-value-only", "--", question)
        if not answer:
            raise TrialFailed(f"没有键 {question}", f"there is no key {question}")
        return answer

    def ask_canaries(self, source: Asset, host: str, folder: str, question: str) -> Procedure[str]:
        """The question is what their keys begin with."""
        return (yield from self._call(source, host, folder, "read the canaries", "get", *NEWEST, "--", question))

    def inspect(self, source: Asset, host: str, folder: str) -> Procedure[Looked]:
        kept = yield from ask_apart(
            host, folder, "read the snapshot", ("etcdctl", "snapshot", "status", f"{folder}/{SNAPSHOT}", "-w", "json")
        )
        stands = yield from self._call(source, host, folder, "ask for the revision", "endpoint", "status", "-w", "json")
        wanted, found = _revision(kept), _revision(stands)
        if wanted != found:
            raise TrialFailed(
                f"快照的修订号为 {wanted},启动后为 {found}",
                f"the snapshot is of revision {wanted}, the server of {found}",
            )
        return Looked((Text(f"修订号 {found} 与快照一致", f"revision {found} is that of the snapshot"),))

    def stop(self, source: Asset, host: str, folder: str) -> Procedure[None]:
        yield from stop_apart(host, folder)

    def _call(self, source: Asset, host: str, folder: str, name: str, *words: str) -> Procedure[str]:
        """As the account that the copy was made with: accounts are part of it."""
        told = options_of(EtcdOptions, source)
        login = f"{told.account}:{told.password}" if told.account else ""
        command = with_secret(host, "ETCDCTL_USER", login, "etcdctl", "--endpoints", _ENDPOINT, *words)
        return (yield from ask_apart(host, folder, name, command.argv, command.stdin))


trial = EtcdTrial()


def _revision(told: str) -> int:
    """Of a snapshot or of a server; 0 for what a rehearsal assumes."""
    try:
        found = json.loads(told)
    except ValueError:
        return 0
    return int(found[0]["Status"]["header"]["revision"] if isinstance(found, list) else found["revision"])
