"""Jindun's own daemon in each centre, with a home of its own: settings and an inventory that tell of this lab alone."""

import socket
import sys

from secops.lab.city import SYSTEM, cluster
from secops.lab.etcd import endpoint, prefix
from secops.lab.inside import inside_namespace
from secops.lab.places import CENTRES, METRICS_PORT, Lab, address
from secops.lab.servers import Server
from secops.model.cluster import ClusterEntry, Member
from secops.service.beginning import make_keys

_SETTINGS = """\
inventory: ../../inventory.yaml
coordination:
  prefix: {prefix}
  endpoints: {{{endpoints}}}
"""
_CITY = """\
name: {{zh: 实验城市, en: City of the lab}}
sites:
  - {{id: here, name: {{zh: 本地, en: Local site}}}}
  - {{id: elsewhere, name: {{zh: 异地, en: Remote site}}}}
centres:
  - {{id: c1, name: {{zh: 本地云中心, en: Production}}, site: here, role: production}}
  - {{id: c2, name: {{zh: 云灾备中心, en: Local DR}}, site: here, role: local_dr}}
  - {{id: c3, name: {{zh: 异地云灾备中心, en: Remote DR}}, site: elsewhere, role: remote_dr}}
units:
  - {{id: office, name: {{zh: 实验室, en: The lab}}}}
systems:
  - id: {system}
    name: {{zh: 业务登记, en: Records}}
    programme: {{zh: 实验, en: Trials}}
    lead_units: [office]
    grade:
      information: {{object: public_order, degree: serious}}
      service: {{object: public_order, degree: serious}}
    importance: important
clusters:
  - id: {cluster}
    system: {system}
    database: {database}
    account: {account}
    home: {home}
    synchronous: [{synchronous}]
    voters: [{voters}]
    members:
{members}
    entries:
{entries}
"""


def prepare(lab: Lab) -> None:
    """One inventory, and settings for each centre."""
    (lab.folder / "inventory.yaml").write_text(_city(lab), encoding="utf-8")
    endpoints = ", ".join(f'{place}: "{endpoint(place)}"' for place in CENTRES)
    for place in CENTRES:
        home = lab.home(place)
        home.mkdir(mode=0o700)
        make_keys(home / "keys")
        (home / "jindun.yaml").write_text(_SETTINGS.format(prefix=prefix(lab), endpoints=endpoints), encoding="utf-8")


def server(lab: Lab, place: str) -> Server:
    """The daemon of a centre."""
    command = (sys.executable, "-m", "secops", "--home", str(lab.home(place)), "serve", "--centre", place)
    argv = (*command, "--listen", f"{address(place)}:{METRICS_PORT}", "--json")
    return Server("service", place, argv, lambda: _answers(lab, place))


def _answers(lab: Lab, place: str) -> bool:
    """Whether it tells its metrics."""
    with inside_namespace(lab.namespace(place)):
        try:
            socket.create_connection((address(place), METRICS_PORT), timeout=1).close()
        except OSError:
            return False
    return True


def _city(lab: Lab) -> str:
    made = cluster(lab)
    return _CITY.format(
        system=SYSTEM,
        cluster=made.id,
        database=made.database,
        account=made.account,
        home=made.home,
        synchronous=", ".join(made.synchronous),
        voters=", ".join(made.voters),
        members="\n".join(map(_member, made.members)),
        entries="\n".join(map(_entry, made.entries)),
    )


def _member(member: Member) -> str:
    words = f"name: {member.name}, centre: {member.centre}, host: {member.host}, address: {member.address}"
    return f"      - {{{words}, port: {member.port}, data_directory: {member.data_directory}}}"


def _entry(entry: ClusterEntry) -> str:
    words = f"centre: {entry.centre}, address: {entry.address}, port: {entry.port}, driver: {entry.driver}"
    return f"      - {{{words}, socket: {entry.socket}, backend: {entry.backend}}}"
