"""What `secops store` says and does of the outbox: entries on their way to Elasticsearch, and dead letters."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer

from secops.cli.options import AsJson
from secops.cli.tables import console, facts, fill, plain, print_json, table
from secops.model.text import Text
from secops.service.home import open_home
from secops.service.storing import open_outbox
from secops.store.elasticsearch_store import ElasticsearchStore
from secops.store.outbox import DeadLetter, Outbox, OutboxStatus, described
from secops.support.clock import local
from secops.support.errors import BadInput, Incomplete
from secops.support.language import say, tell

dead = typer.Typer(
    name="dead",
    help=say(
        zh="死信:Elasticsearch 或生命周期不接受的写入;原样保留,可重放。",
        en="Dead letters: writes that Elasticsearch or the life cycle did not take. They are kept and can be replayed.",
    ),
    no_args_is_help=True,
)
Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="[NUMBER]...", help=say(zh="不写则为全部。", en="All, unless named."))
]


def ship(as_json: AsJson = False) -> None:
    """Bring everything that waits."""
    with open_home() as home:
        store = home.store
        if not isinstance(store, ElasticsearchStore):
            raise _no_outbox()
        settle = home.reviewer()
        store.ship()
        # What was found while the server was away was not looked at by the review of then.
        settle()
        left = store.waiting()
    _print_standing(left, as_json)
    if left.depth:
        raise typer.Exit(Incomplete.exit_code)


def outbox(as_json: AsJson = False) -> None:
    """How the outbox stands, also with the server away."""
    with _opened() as opened:
        seen = opened.standing()
    _print_standing(seen, as_json)


@dead.command("list", help=say(zh="列出死信及原因。", en="Every dead letter and why."))
def list_dead(as_json: AsJson = False) -> None:
    with _opened() as opened:
        letters = opened.dead_letters()
    if as_json:
        print_json([_told(letter) for letter in letters])
        return
    columns = (say(zh="编号", en="number"), say(zh="埋葬时间", en="since"), say(zh="内容", en="what"))
    rows = [
        (str(letter.number), local(letter.buried), described(letter.write), tell(letter.reason)) for letter in letters
    ]
    title = say(zh="死信", en="Dead letters")
    console().print(fill(table(title, *columns, say(zh="原因", en="why")), rows))


@dead.command(help=say(zh="重新排入队列并尝试写入。", en="Put them behind all others, to be written once more."))
def replay(numbers: Numbers = None, as_json: AsJson = False) -> None:
    with _opened() as opened:
        done = opened.replay(numbers)
    if as_json:
        print_json({"replayed": sorted(done)})
        return
    console().print(plain(say(zh=f"已重放 {len(done)} 条", en=f"{len(done)} will be written once more")))


@dead.command(help=say(zh="丢弃死信;不可恢复。", en="Forget dead letters; they cannot be had back."))
def drop(
    numbers: Numbers = None,
    everything: Annotated[bool, typer.Option("--all", help=say(zh="全部丢弃。", en="All of them."))] = False,
    as_json: AsJson = False,
) -> None:
    if not numbers and not everything:
        raise BadInput(Text("请写明编号,或用 --all 丢弃全部", "name the numbers, or drop all with --all"))
    with _opened() as opened:
        done = opened.drop(numbers or None)
    if as_json:
        print_json({"dropped": sorted(done)})
        return
    console().print(plain(say(zh=f"已丢弃 {len(done)} 条", en=f"{len(done)} forgotten")))


@contextmanager
def _opened() -> Iterator[Outbox]:
    with open_home() as home:
        if home.settings.store.kind == "sqlite":
            raise _no_outbox()
        with closing(open_outbox(home.settings.store, home.state)) as opened:
            yield opened


def _no_outbox() -> BadInput:
    return BadInput(
        Text(
            "发现存于 SQLite 文件,没有待写队列;仅 store.kind: elasticsearch 时有",
            "findings are kept in a SQLite file, nothing waits; there is an outbox with store.kind: elasticsearch alone",
        )
    )


def _print_standing(seen: OutboxStatus, as_json: bool) -> None:
    if as_json:
        print_json(seen)
        return
    never = say(zh="无", en="none")
    pairs = (
        (say(zh="待写条目", en="waiting"), f"{seen.depth:,}"),
        (say(zh="最早的", en="oldest"), local(seen.oldest) if seen.oldest else never),
        (say(zh="占用", en="size"), f"{seen.size_bytes:,} B"),
        (say(zh="死信", en="dead letters"), f"{seen.dead_letters:,}"),
        (say(zh="累计丢弃的观测", en="observations dropped so far"), f"{seen.dropped_observations:,}"),
    )
    console().print(facts(say(zh="待写队列", en="Outbox"), pairs))


def _told(letter: DeadLetter) -> dict[str, object]:
    return {
        "number": letter.number,
        "kind": letter.kind,
        "what": described(letter.write),
        "at": letter.at,
        "buried": letter.buried,
        "reason": letter.reason,
        "missed": None if letter.again is None else sorted(letter.again),
    }
