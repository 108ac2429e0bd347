"""Whether a cluster can keep its promise: no acknowledged write lost when a centre is, and no decision by a minority."""

import re
from collections.abc import Iterable, Iterator, Mapping

from secops.inventory.fields import KeyPath, Mistake, check_absolute, check_port, is_address, refer
from secops.model.city import AssetKind, Centre, City
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, FenceKind, Member
from secops.model.product import Product
from secops.model.step import LOCAL
from secops.model.text import Text

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FEWEST_VOTERS = 3

_DRIVER_NEEDS = {
    EntryDriver.HAPROXY: ("socket", "backend"),
    EntryDriver.VIRTUAL_ADDRESS: ("device",),
    EntryDriver.DNS: ("zone", "nameserver", "key", "key_file"),
}


def cluster_mistakes(city: City) -> Iterator[Mistake]:
    """Every mistake of the city's clusters, with the place it is at."""
    centres = {centre.id: centre for centre in city.centres}
    systems = {system.id: system for system in city.systems}
    hosts = {one.id: one for system in city.systems for one in system.assets if one.kind is AssetKind.HOST}
    for index, cluster in enumerate(city.clusters):
        path: KeyPath = ("clusters", index)
        yield from refer((*path, "system"), cluster.system, systems, Text("系统", "system"))
        for number, member in enumerate(cluster.members):
            yield from _member((*path, "members", number), member, centres, hosts)
        for number, entry in enumerate(cluster.entries):
            yield from _entry((*path, "entries", number), entry, centres)
        yield from broken_promises(path, cluster, centres)


def broken_promises(path: KeyPath, cluster: Cluster, centres: Mapping[str, Centre]) -> Iterator[Mistake]:
    """Why the cluster could lose acknowledged writes or its service, whatever is done in the disaster."""
    if cluster.product is not Product.POSTGRESQL:
        text = Text(f"尚不能切换 {cluster.product}", f"failover of {cluster.product} is not known yet")
        yield (*path, "product"), text
    yield from _apart(path, cluster)
    yield from _commit_path(path, cluster, centres)
    yield from _voters(path, cluster, centres)
    if not cluster.entries:
        text = Text("没有入口,切换后客户端无从得知", "without an entry, clients never learn of a failover")
        yield (*path, "entries"), text
    for number in _repeated([entry.centre for entry in cluster.entries]):
        yield (*path, "entries", number, "centre"), Text("该中心已有入口", "that centre has an entry already")


def _apart(path: KeyPath, cluster: Cluster) -> Iterator[Mistake]:
    """A centre that is lost takes one member with it."""
    for number in _repeated([member.name for member in cluster.members]):
        yield (*path, "members", number, "name"), Text("成员名重复", "the name of a member is taken")
    for number in _repeated([member.centre for member in cluster.members]):
        text = Text(
            "该中心已有成员,失去它会同时失去两份", "that centre has a member already: both would be lost at once"
        )
        yield (*path, "members", number, "centre"), text
    for number in _repeated([f"{member.address}:{member.port}" for member in cluster.members]):
        yield (*path, "members", number, "address"), Text("地址与另一成员相同", "another member has that address")


def _commit_path(path: KeyPath, cluster: Cluster, centres: Mapping[str, Centre]) -> Iterator[Mistake]:
    """Writes wait for members in the commit path: there must be two of them, in one city."""
    members = {member.name: member for member in cluster.members}
    yield from refer((*path, "home"), cluster.home, members, Text("成员", "member"))
    for number, name in enumerate(cluster.synchronous):
        yield from refer((*path, "synchronous", number), name, members, Text("成员", "member"))
        if name in cluster.synchronous[:number]:
            yield (*path, "synchronous", number), Text(f'"{name}" 列了两次', f'"{name}" is listed twice')
    if cluster.home in members and cluster.home not in cluster.synchronous:
        text = Text(
            "主成员须在提交路径之中,否则无法无损切回", "home must be in the commit path, or failing back loses writes"
        )
        yield (*path, "synchronous"), text
    if len(set(cluster.synchronous)) < 2:
        text = Text(
            "提交路径上至少要有两个成员,否则没有可无损接管者",
            "the commit path needs two members: with one, nobody can take over without loss",
        )
        yield (*path, "synchronous"), text
    yield from _one_city(path, cluster, members, centres)


def _one_city(
    path: KeyPath, cluster: Cluster, members: Mapping[str, Member], centres: Mapping[str, Centre]
) -> Iterator[Mistake]:
    home = members.get(cluster.home)
    site = centres[home.centre].site if home and home.centre in centres else None
    for number, name in enumerate(cluster.synchronous):
        member = members.get(name)
        if site and member and member.centre in centres and centres[member.centre].site != site:
            text = Text(
                f'"{name}" 在另一城市,不可进入提交路径:每次提交都要等待长途往返,长途线路一断写入即停',
                f'"{name}" stands in another city and cannot be in the commit path: '
                "each commit would wait for the long line, and stop with it",
            )
            yield (*path, "synchronous", number), text


def _voters(path: KeyPath, cluster: Cluster, centres: Mapping[str, Centre]) -> Iterator[Mistake]:
    for number, voter in enumerate(cluster.voters):
        yield from refer((*path, "voters", number), voter, centres, Text("中心", "centre"))
    for number in _repeated(cluster.voters):
        text = Text(
            "一个中心只能有一票,否则它一失就失去多数",
            "a centre has one vote: with two, its loss is that of the majority",
        )
        yield (*path, "voters", number), text
    if len(set(cluster.voters)) < _FEWEST_VOTERS or len(cluster.voters) % 2 == 0:
        text = Text(
            "表决的中心须为奇数且不少于三个,否则失去一个就没有多数",
            "voters must be an odd number of at least three centres, or the loss of one leaves no majority",
        )
        yield (*path, "voters"), text
    for number, member in enumerate(cluster.members):
        if member.centre not in cluster.voters:
            text = Text("成员所在中心没有表决权,无人看护它", "the member's centre is no voter: no agent looks after it")
            yield (*path, "members", number, "centre"), text


def _member(
    path: KeyPath, member: Member, centres: Mapping[str, object], hosts: Mapping[str, object]
) -> Iterator[Mistake]:
    yield from refer((*path, "centre"), member.centre, centres, Text("中心", "centre"))
    if member.host != LOCAL:
        yield from refer((*path, "host"), member.host, hosts, Text("主机", "host"))
    if not _NAME.fullmatch(member.name):
        text = Text("成员名只能含小写字母、数字和 _,以字母开头", "a member's name is lower-case letters, digits and _")
        yield (*path, "name"), text
    yield from _address(path, member.address, member.port)
    if member.data_directory:
        yield from check_absolute((*path, "data_directory"), member.data_directory)
    for number, fence in enumerate(member.fences):
        if fence.kind is FenceKind.POWER and not fence.command:
            text = Text('切断电源需要键 "command"', 'taking the power needs the key "command"')
            yield (*path, "fences", number), text


def _entry(path: KeyPath, entry: ClusterEntry, centres: Mapping[str, object]) -> Iterator[Mistake]:
    yield from refer((*path, "centre"), entry.centre, centres, Text("中心", "centre"))
    yield from _address(path, entry.address, entry.port)
    for name in _DRIVER_NEEDS[entry.driver]:
        if not getattr(entry, name):
            yield (
                path,
                Text(f'{entry.driver} 入口需要键 "{name}"', f'an entry by {entry.driver} needs the key "{name}"'),
            )
    for name in ("socket", "key_file"):
        if value := getattr(entry, name):
            yield from check_absolute((*path, name), value)


def _address(path: KeyPath, address: str, port: int) -> Iterator[Mistake]:
    yield from check_port((*path, "port"), port)
    if not is_address(address):
        yield (*path, "address"), Text("不是主机名或 IP 地址", "this is no host name or IP address")


def _repeated(values: Iterable[str]) -> Iterator[int]:
    """The places of values that stood before."""
    seen: set[str] = set()
    for number, value in enumerate(values):
        if value in seen:
            yield number
        seen.add(value)
