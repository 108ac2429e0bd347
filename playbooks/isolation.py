"""Run what is tried in a network namespace of its own: it reaches nobody, and nobody reaches it."""

from dataclasses import replace

from secops.model.step import Command, Effect, Procedure, Returned, Step, each_step, require


def isolated(procedure: Procedure[Returned], host: str, namespace: str) -> Procedure[Returned]:
    """The procedure with each of its commands on `host` run inside the namespace."""
    return each_step(procedure, lambda step: _inside(step, host, namespace))


def open_namespace(host: str, namespace: str) -> Procedure[None]:
    """A namespace with a loopback that is up."""
    made = yield Step(
        "make the network namespace",
        Command(host, ("ip", "netns", "add", namespace)),
        changes=True,
        check=Command(host, ("test", "-e", f"/run/netns/{namespace}")),
    )
    require(made, f"无法在 {host} 上建立网络命名空间", f"no network namespace can be made on {host}")
    up = Command(host, ("ip", "-n", namespace, "link", "set", "lo", "up"))
    raised = yield Step("raise its loopback", up, changes=True)
    require(raised, "无法启用命名空间的回环接口", "the loopback of the namespace cannot be raised")


def close_namespace(host: str, namespace: str) -> Procedure[None]:
    """Remove it; nothing when it is not there."""
    gone = Command(host, ("test", "!", "-e", f"/run/netns/{namespace}"))
    removed = yield Step(
        "remove the network namespace",
        Command(host, ("ip", "netns", "delete", namespace)),
        changes=True,
        check=gone,
    )
    require(removed, f"无法移除网络命名空间 {namespace}", f"the network namespace {namespace} cannot be removed")


def _inside(step: Step, host: str, namespace: str) -> Step:
    effect, *probes = (_wrapped(one, host, namespace) for one in (step.effect, step.check, step.untouched))
    assert effect is not None
    return replace(step, effect=effect, check=probes[0], untouched=probes[1])


def _wrapped(effect: Effect | None, host: str, namespace: str) -> Effect | None:
    if not isinstance(effect, Command) or effect.host != host:
        return effect
    return replace(effect, argv=("ip", "netns", "exec", namespace, *effect.argv))
