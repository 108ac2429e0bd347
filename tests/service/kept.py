"""A home whose one system has files in production, and four vaults: near, local DR, remote DR that fetches, offline.

One real sshd stands for every host.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from secops.evidence.keys import PRIVATE_KEY_NAME, PUBLIC_KEY_NAME, make_key
from secops.service.home import FILE, Home
from secops.service.running import Ended, start
from tests.lab.sshd import Sshd, running_sshd

SYSTEM = "portal"
TREE = "portal-content"
OTHER_TREE = "water-content"


STEPS = {
    "copy": 'backup.run, with: {asset: "${{ inputs.asset }}"}',
    "check": 'backup.check_medium, with: {asset: "${{ inputs.asset }}", vault: medium}',
}
"""Playbooks of one step, for actions that no shipped playbook holds alone."""


def playbook(name: str, step: str) -> str:
    """Of that step."""
    head = f"id: {name}\nname: {{zh: 试, en: {name}}}\ninputs: {{asset: {{describes: {{zh: 资, en: asset}}}}}}\n"
    return f"{head}steps: [{{id: {name}, timeout: 2m, uses: {step}}}]\n"


@dataclass
class Kept:
    """The home and where its things lie."""

    home: Home
    folder: Path
    server: Sshd

    @property
    def tree(self) -> Path:
        """The files that are copied."""
        return self.folder / "tree"

    def vault(self, name: str) -> Path:
        """The folder of a vault."""
        return self.folder / name

    def play(self, playbook: str, **inputs: str) -> Ended:
        """Run a playbook of the library for the tree."""
        return start(self.home, self.home.library.get(playbook), {"asset": TREE, **inputs})

    def copy(self) -> Ended:
        """Copy the tree into the vaults of its tier, without proof."""
        return self.play("copy")

    def change_vaults(self, **changes: dict[str, object]) -> None:
        """Alter vaults of the inventory, by id, and open the home again."""
        file = self.home.folder / "inventory.yaml"
        city = yaml.safe_load(file.read_text("utf-8"))
        for vault in city["vaults"]:
            vault.update(changes.get(vault["id"], {}))
        _write(file, city)
        self.reopen()

    def reopen(self) -> None:
        """As a service does that was started anew."""
        self.home.close()
        self.home = Home(self.home.folder)


@contextmanager
def kept_home(folder: Path) -> Iterator[Kept]:
    """The home, open, with the server running."""
    with running_sshd(folder / "sshd") as server:
        make(folder, server)
        kept = Kept(Home(folder / "home"), folder, server)
        try:
            yield kept
        finally:
            kept.home.close()


def make(folder: Path, server: Sshd) -> None:
    """Write settings, inventory and keys."""
    home = folder / "home"
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "vault").write_text("a passphrase of the vaults")
    (home / "keys" / "vault").chmod(0o600)
    make_key(home / "keys" / PRIVATE_KEY_NAME, home / "keys" / PUBLIC_KEY_NAME)
    (home / "playbooks").mkdir()
    for name, step in STEPS.items():
        (home / "playbooks" / f"{name}.yaml").write_text(playbook(name, step), "utf-8")
    for name in ("tree", "near", "local", "remote", "medium", "place"):
        (folder / name).mkdir()
    (folder / "tree" / "page").write_text("<h1>portal</h1>")
    _write(home / FILE, settings(folder, server))
    _write(home / "inventory.yaml", city(folder, server))


def settings(folder: Path, server: Sshd) -> dict[str, object]:
    """Of a service that logs in to the one server."""
    known = str(server.known_hosts)
    return {
        "ssh": {"identity": str(server.client_key), "known_hosts": known},
        "backup": {
            "state_directory": str(folder / "borg"),
            "ssh_identity": str(server.client_key),
            "ssh_known_hosts": known,
        },
        "playbooks": ["playbooks"],
    }


def city(folder: Path, server: Sshd) -> dict[str, object]:
    """Two units, three centres, two systems of which one is of tier data."""
    over_ssh = f"ssh://{server.user}@{server.address}:{server.port}"
    text = {"zh": "测", "en": "test"}
    harm = {"object": "public_order", "degree": "serious"}

    def host(name: str, centre: str) -> dict[str, object]:
        ssh = {"user": server.user, "port": server.port}
        return {"id": name, "kind": "host", "name": text, "centre": centre, "address": server.address, "ssh": ssh}

    def tree(name: str, on: str) -> dict[str, object]:
        place = {"path": str(folder / "tree"), "host": on}
        return {"id": name, "kind": "file_tree", "name": text, "centre": "c1", **place}

    def system(name: str, unit: str, assets: list[dict[str, object]]) -> dict[str, object]:
        grade = {"information": harm, "service": harm}
        named = {"id": name, "name": text, "programme": text, "lead_units": [unit], "tier": "data"}
        return {**named, "grade": grade, "assets": assets}

    hosts = [host("web", "c1"), host("local-keeper", "c2"), host("remote-keeper", "c3")]
    near = {"id": "near", "centre": "c1", "location": str(folder / "near"), "host": "web"}
    local = {"id": "local", "centre": "c2", "location": f"{over_ssh}{folder / 'local'}", "host": "local-keeper"}
    remote = {"id": "remote", "centre": "c3", "location": f"{over_ssh}{folder / 'remote'}", "host": "remote-keeper"}
    medium = {"id": "medium", "centre": "c2", "location": str(folder / "medium"), "host": "local-keeper"}
    taken_out = {"medium": "tape", "keeping": "offline", "pulls_from": "local"}
    return {
        "name": text,
        "sites": [{"id": "s1", "name": text}, {"id": "s2", "name": text}],
        "centres": [
            {"id": "c1", "name": text, "site": "s1", "role": "production"},
            {"id": "c2", "name": text, "site": "s1", "role": "local_dr"},
            {"id": "c3", "name": text, "site": "s2", "role": "remote_dr"},
        ],
        "units": [{"id": "health", "name": text}, {"id": "water", "name": text}],
        "systems": [
            system(SYSTEM, "health", [*hosts, tree(TREE, "web")]),
            system("water", "water", [host("water-web", "c1"), tree(OTHER_TREE, "water-web")]),
        ],
        "vaults": [near, local, {**remote, "pulls_from": "local"}, {**medium, **taken_out}],
        "places": [
            {"id": "p1", "centre": "c1", "host": "web", "path": str(folder / "place"), "url": "http://127.0.0.1:9/"}
        ],
    }


def _write(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), "utf-8")
