"""`secops store`: where findings are kept: prepare it and look after it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from secops.cli import store_migrate, store_outbox
from secops.cli.options import AsJson
from secops.cli.progress import progress
from secops.cli.tables import console, facts, fill, plain, print_json, table
from secops.service.home import Home, open_home
from secops.service.stores.elasticsearch import ClusterStatus, cluster_status, open_indices
from secops.service.stores.sqlite import SQLITE_FILE, held_by
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_indices import KindStatus
from secops.store.elasticsearch_reindexing import Reindexed
from secops.store.elasticsearch_reindexing import reindex as copy
from secops.support.clock import now
from secops.support.errors import Incomplete
from secops.support.language import say

verb = typer.Typer(
    name="store",
    help=say(
        zh="发现的存储:一个文件,或 Elasticsearch(jindun.yaml 的 store)。",
        en="Where findings are kept: one file, or Elasticsearch (`store` in jindun.yaml).",
    ),
    no_args_is_help=True,
)
_CHANGED = [kind.value for kind in Kind if not kind.append_only]

Kinds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KIND]...",
        help=say(zh=f"不写则为全部:{'、'.join(_CHANGED)}。", en=f"All, unless named: {', '.join(_CHANGED)}."),
    ),
]


@verb.command(help=say(zh="建立缺少的索引;可重复执行。", en="Make the indices that are missing; safe to repeat."))
def setup(as_json: AsJson = False) -> None:
    with open_home() as home:
        if home.settings.store.kind == "sqlite":
            _ = home.store
            _show_file(home, as_json)
            return
        with open_indices(home.settings.store, home.path, home.secrets) as indices:
            done = indices.set_up(now())
    if as_json:
        print_json({"kind": "elasticsearch", "made": done.made, "outdated": done.outdated})
    else:
        _tell_names(say(zh="已建立:", en="made: "), done.made, say(zh="一切就绪", en="everything is there"))
    if done.outdated:
        _advise_reindex(done.outdated)
        raise typer.Exit(Incomplete.exit_code)


@verb.command(
    help=say(
        zh="存储现在怎样;不改动任何内容。不能正常读写时退出码为 3。",
        en="How the store stands; nothing is changed. Ends with 3 when it cannot be written or read.",
    )
)
def status(as_json: AsJson = False) -> None:
    with open_home() as home:
        if home.settings.store.kind == "sqlite":
            _show_file(home, as_json)
            return
        with open_indices(home.settings.store, home.path, home.secrets) as indices:
            seen = cluster_status(home.settings.store, indices)
    if as_json:
        print_json({"kind": "elasticsearch", "usable": seen.usable, "status": seen})
    else:
        _show(seen)
    if seen.insecure:
        _warn(
            say(
                zh="警告:insecure: true,连接未核对证书或未加密",
                en="warning: insecure: true, the connection is not verified or not encrypted",
            )
        )
    if not seen.usable:
        raise typer.Exit(Incomplete.exit_code)


@verb.command(
    help=say(
        zh="把会改动的索引复制到本版本的新索引,核对后换用;期间写入暂缓,中断后可重新执行。",
        en="Copy what is changed in place to new indices of this version, and use them once they are proven whole. "
        "Writes wait meanwhile; run it again when it was interrupted.",
    )
)
def reindex(kinds: Kinds = None, as_json: AsJson = False) -> None:
    wanted = _kinds(kinds or _CHANGED)
    with open_home() as home:
        if home.settings.store.kind == "sqlite":
            _show_file(home, as_json)
            return
        with open_indices(home.settings.store, home.path, home.secrets) as indices, _progress() as shown:
            done = [copy(indices, kind, now(), _task(shown, kind)) for kind in wanted]
    if as_json:
        print_json({"kind": "elasticsearch", "reindexed": done})
    else:
        _show_copies(done)


@verb.command(
    help=say(
        zh="写满的只追加索引换新,过期的删除(store.keep);写入发现的命令每天自动执行一次。",
        en="Begin new indices where appended ones are full, and delete those whose time is over (store.keep). "
        "Whatever records findings does it once a day by itself.",
    )
)
def roll(as_json: AsJson = False) -> None:
    with open_home() as home:
        if home.settings.store.kind == "sqlite":
            _show_file(home, as_json)
            return
        with open_indices(home.settings.store, home.path, home.secrets) as indices:
            done = indices.roll(home.settings.store.keep.keep(), now())
    if as_json:
        print_json({"kind": "elasticsearch", "made": done.made, "deleted": done.deleted})
        return
    _tell_names(say(zh="已换新:", en="begun: "), done.made, say(zh="没有写满的索引", en="no index is full"))
    _tell_names(say(zh="已删除:", en="deleted: "), done.deleted, say(zh="没有过期的索引", en="no index is too old"))


verb.command(
    name="migrate",
    help=say(
        zh="把发现、历史、覆盖、观测、基线、风险接受、审计全部迁往另一种存储,并逐项核对条数与摘要;可重复执行,"
        "来源不作改动。两边不一致时退出码为 3。",
        en="Move findings, history, coverage, observations, baselines, risk acceptances and audit into the other kind of "
        "store, and prove by counts and digests that all arrived. Safe to repeat; nothing is taken from the source. "
        "Ends with 3 when both sides differ.",
    ),
)(store_migrate.migrate_store)
verb.command(
    help=say(
        zh="把待写队列中的全部内容写入 Elasticsearch;写不完时退出码为 3。",
        en="Bring everything that waits in the outbox to Elasticsearch. Ends with 3 when something is left.",
    )
)(store_outbox.ship)
verb.command(
    help=say(
        zh="待写队列:条数、最早时间、死信;服务器不可达时也能查看。",
        en="The outbox: how much waits, since when, dead letters. It can be looked at with the server away.",
    )
)(store_outbox.outbox)
verb.add_typer(store_outbox.dead)


def _kinds(names: list[str]) -> list[Kind]:
    for name in names:
        if name not in _CHANGED:
            raise typer.BadParameter(
                say(zh=f"没有“{name}”;可用:{', '.join(_CHANGED)}", en=f"there is no “{name}”: {', '.join(_CHANGED)}")
            )
    return [Kind(name) for name in names]


def _progress() -> Progress:
    return progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())


def _task(shown: Progress, kind: Kind) -> Callable[[int, int], None]:
    task = shown.add_task(kind.value, total=None)
    return lambda done, of: shown.update(task, completed=done, total=of)


def _show_file(home: Home, as_json: bool) -> None:
    file: Path = home.state / SQLITE_FILE
    held = held_by(file)
    size = file.stat().st_size if held is not None else None
    if as_json:
        print_json({"kind": "sqlite", "file": str(file), "bytes": size, "held": held})
    elif held is None:
        console().print(plain(say(zh=f"SQLite {file}:尚未建立", en=f"SQLite {file}: not made yet")))
    else:
        pairs = [(name, f"{count:,}") for name, count in held.items()]
        console().print(facts(f"SQLite {file}", [(say(zh="大小", en="size"), f"{size:,} B"), *pairs]))


def _show(seen: ClusterStatus) -> None:
    pairs = ((say(zh="状态", en="health"), seen.health), (say(zh="节点", en="nodes"), seen.nodes))
    console().print(facts(f"Elasticsearch {', '.join(seen.urls)}", pairs))
    columns = (
        say(zh="索引", en="index"),
        say(zh="文档", en="documents"),
        say(zh="大小", en="size"),
        say(zh="版本", en="version"),
        say(zh="个数", en="indices"),
        say(zh="状态", en="state"),
    )
    console().print(fill(table(say(zh="索引", en="Indices"), *columns), map(_row, seen.indices)))


def _row(one: KindStatus) -> tuple[str, ...]:
    if not one.index:
        return (
            one.alias,
            "",
            "",
            "",
            "",
            say(zh="缺少,请运行 secops store setup", en="missing: run `secops store setup`"),
        )
    state = one.health
    if one.blocked:
        state = say(zh="不接受写入", en="takes no writes")
    elif one.outdated:
        state = say(zh="请运行 secops store reindex", en="run `secops store reindex`")
    return (one.alias, f"{one.documents:,}", f"{one.size_bytes:,} B", str(one.version), str(one.indices), state)


def _show_copies(done: list[Reindexed]) -> None:
    columns = (
        say(zh="旧索引", en="old"),
        say(zh="新索引", en="new"),
        say(zh="文档", en="documents"),
        "SHA-256",
    )
    rows = ((one.old, one.new, f"{one.documents:,}", one.sha256) for one in done)
    console().print(fill(table(say(zh="已复制并核对", en="Copied and proven alike"), *columns), rows))


def _tell_names(before: str, names: tuple[str, ...], otherwise: str) -> None:
    console().print(plain(before + ", ".join(names) if names else otherwise))


def _advise_reindex(outdated: tuple[Kind, ...]) -> None:
    kinds = " ".join(kind.value for kind in outdated)
    _warn(
        say(
            zh=f"索引 {kinds} 由较早版本建立;请运行 secops store reindex {kinds}",
            en=f"the index of {kinds} was made by an earlier version; run `secops store reindex {kinds}`",
        )
    )


def _warn(sentence: str) -> None:
    console(stderr=True).print(plain(sentence, "yellow"))
