"""A cluster that cannot keep its promise is refused, with the reason and the place."""

import pytest

from secops.inventory.inventory import Inventory
from secops.inventory.load import inventory_of
from secops.support.strict_yaml import BadFile, parse

CITY = """\
name: {zh: 小城, en: Small town}
sites: [{id: here, name: {zh: 本地, en: Here}}, {id: far, name: {zh: 异地, en: Far}}]
centres:
  - {id: c1, name: {zh: 生产, en: Main}, site: here, role: production}
  - {id: c2, name: {zh: 灾备, en: Local}, site: here, role: local_dr}
  - {id: c3, name: {zh: 异地, en: Remote}, site: far, role: remote_dr}
units: [{id: health, name: {zh: 卫生委, en: Health}}]
systems:
  - id: clinic
    name: {zh: 门诊, en: Clinic}
    programme: {zh: 惠民, en: Services}
    lead_units: [health]
    grade:
      information: {object: public_order, degree: serious}
      service: {object: legal_rights, degree: general}
clusters:
  - id: clinic-db
    system: clinic
    home: m1
    synchronous: [m1, m2]
    voters: [c1, c2, c3]
    members:
      - {name: m1, centre: c1, host: local, address: 192.0.2.1, data_directory: /srv/db}
      - {name: m2, centre: c2, host: local, address: 192.0.2.2}
      - {name: m3, centre: c3, host: local, address: 192.0.2.3}
    entries:
      - {centre: c1, address: 192.0.2.11, port: 5000, socket: /run/entry.sock, backend: db}
      - {centre: c2, address: 192.0.2.12, port: 5000, driver: virtual_address, device: eth0}
"""


def load(old: str = "", new: str = "") -> Inventory:
    assert old in CITY
    return inventory_of(parse(CITY.replace(old, new, 1) if old else CITY, "city.yaml"))


def test_a_sound_cluster_is_taken() -> None:
    inventory = load()
    (cluster,) = inventory.clusters_of("clinic")
    assert inventory.cluster("clinic-db") is cluster
    member = cluster.member_in("c2")
    assert member and member.name == "m2" and cluster.quorum == 2
    assert cluster.member("m9") is None and cluster.entry_in("c3") is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("synchronous: [m1, m2]", "synchronous: [m1, m3]", "stands in another city"),
        ("synchronous: [m1, m2]", "synchronous: [m1]", "the commit path needs two members"),
        ("synchronous: [m1, m2]", "synchronous: [m1, m1]", "listed twice"),
        ("home: m1", "home: m3", "home must be in the commit path"),
        ("home: m1", "home: m4", "there is no member"),
        ("voters: [c1, c2, c3]", "voters: [c1, c1, c3]", "a centre has one vote"),
        ("voters: [c1, c2, c3]", "voters: [c1, c2]", "an odd number of at least three"),
        ("voters: [c1, c2, c3]", "voters: [c1, c2, c9]", "there is no centre"),
        ("name: m3, centre: c3", "name: m3, centre: c2", "both would be lost at once"),
        ("name: m3,", "name: m2,", "the name of a member is taken"),
        ("name: m3,", "name: M-3,", "lower-case letters"),
        ("192.0.2.3", "192.0.2.2", "another member has that address"),
        ("host: local, address: 192.0.2.3", "host: nobody, address: 192.0.2.3", "there is no host"),
        ("/srv/db", "srv/db", "expected an absolute path"),
        ("socket: /run/entry.sock, ", "", 'needs the key "socket"'),
        (", device: eth0", "", 'needs the key "device"'),
        ("driver: virtual_address, device: eth0", "driver: dns, zone: city.test, key: k", 'needs the key "key_file"'),
        ("device: eth0", "device: eth0, key_file: secret", "expected an absolute path"),
        ("data_directory: /srv/db", "fences: [{kind: power}]", 'taking the power needs the key "command"'),
        ("{centre: c2, address: 192.0.2.12", "{centre: c1, address: 192.0.2.12", "that centre has an entry already"),
        ("system: clinic\n", "system: clinic\n    product: redis\n", "failover of redis is not known yet"),
        ("port: 5000", "port: 0", "a port is 1 to 65535"),
    ],
)
def test_a_broken_promise_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(BadFile) as refused:
        load(old, new)
    sentences = [problem.text.en for problem in refused.value.problems]
    assert any(said in sentence for sentence in sentences), sentences


def test_no_entry_and_no_voter() -> None:
    with pytest.raises(BadFile) as refused:
        inventory_of(parse(CITY[: CITY.index("    entries:")] + "    entries: []\n", "city.yaml"))
    assert "without an entry" in refused.value.problems[0].text.en
