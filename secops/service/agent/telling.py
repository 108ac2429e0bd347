"""What a daemon says of itself, whenever it changes: who leads, what was decided and why, what is done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from secops.model.text import Text
from secops.service.agent.agent import Agent
from secops.service.agent.leading import Leading


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence, and whose it is: `daemon`, `leader`, `member` or `entry`."""

    cluster: str
    who: str
    text: Text


def sentences(centre: str, agents: Mapping[str, Agent], leading: Leading, *, seated: bool) -> Iterator[Told]:
    """All that holds now."""
    yield Told("", "daemon", _role(centre, leading, seated=seated))
    if leading.alarms:
        what = ", ".join(sorted(leading.alarms))
        zh = f"etcd 告警 {what}:压缩并整理碎片(etcdctl defrag),再解除告警(etcdctl alarm disarm)"
        yield Told(
            "", "etcd", Text(zh, f"etcd raises {what}: defragment it (etcdctl defrag), then etcdctl alarm disarm")
        )
    for name, agent in agents.items():
        if leading.leadership.leads and name in leading.decisions:
            yield Told(name, "leader", leading.decisions[name].because)
        for who, text in agent.decided.items():
            yield Told(name, who, text)


def _role(centre: str, leading: Leading, *, seated: bool) -> Text:
    if not seated:
        return Text(
            f"{centre} 尚无席位:等待 etcd,或另有守护进程", f"{centre} waits for etcd, or for another daemon to end"
        )
    if leading.leadership.leads:
        return Text(f"{centre} 是主控", f"{centre} leads")
    leader = leading.leadership.leader
    return Text(f"{centre} 待命,主控为 {leader or '–'}", f"{centre} stands by, {leader or 'nobody'} leads")
