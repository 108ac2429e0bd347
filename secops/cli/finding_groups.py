"""`secops findings merge`, `split` and `rekey`: which findings are one, and under which identity."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from secops.cli.finding_edits import Actor, Id, Reason, edit, named, words
from secops.cli.finding_words import STATES
from secops.cli.options import AsJson
from secops.cli.progress import counting
from secops.cli.tables import console, plain, print_json
from secops.model.finding import Finding
from secops.model.text import Text
from secops.service.home import Home, open_home
from secops.store.edits import Merge, Rekey, Split
from secops.store.query import Equals, Query, Sort, all_of
from secops.support.errors import BadInput
from secops.support.language import say, tell

_AT_ONCE = 500
_MOST_REFUSED = 20

Parts = Annotated[
    list[str],
    typer.Argument(metavar="ID…", help=say(zh="并入它的发现。", en="The findings that are merged into it.")),
]
Rename = tuple[str, str]
AssetRename = Annotated[
    Rename | None,
    typer.Option(
        "--asset",
        metavar="OLD NEW",
        help=say(zh="资产由 OLD 改名为 NEW。", en="The asset OLD is called NEW now."),
        show_default=False,
    ),
]
RuleRename = Annotated[
    Rename | None,
    typer.Option(
        "--rule",
        metavar="OLD NEW",
        help=say(zh="规则由 OLD 改名为 NEW。", en="The rule OLD is called NEW now."),
        show_default=False,
    ),
]
Only = Annotated[
    str | None,
    typer.Argument(
        metavar="ID",
        help=say(
            zh="只改这一个;缺省为改名所涉及的全部。", en="This one alone; default: all that the renaming concerns."
        ),
        show_default=False,
    ),
]


def merge(finding: Id, parts: Parts, reason: Reason, actor: Actor = None, as_json: AsJson = False) -> None:
    with open_home() as home:
        first = home.store.get(finding)
        # All are looked up before any is merged: a slip in the last must not leave half of it done.
        for part in [home.store.get(part).id for part in parts]:
            first = edit(home, Merge(first.id, words(reason), part=part), actor, as_json)
    if as_json:
        print_json(first)
        return
    listed = ", ".join(first.parts)
    said = say(zh=f"{first.id} 现在代表:{listed}", en=f"{first.id} now stands for: {listed}")
    console().print(plain(said), soft_wrap=True)


def split(finding: Id, reason: Reason, actor: Actor = None, as_json: AsJson = False) -> None:
    with open_home() as home:
        before = home.store.get(finding)
        after = edit(home, Split(before.id, words(reason)), actor, as_json)
    if as_json:
        print_json(after)
        return
    state = tell(STATES[after.state])
    said = say(
        zh=f"{after.id} 已从 {before.part_of} 拆出:{state}", en=f"{after.id} was split off {before.part_of}: {state}"
    )
    console().print(plain(said), soft_wrap=True)


def rekey(
    finding: Only = None,
    asset: AssetRename = None,
    rule: RuleRename = None,
    *,
    reason: Reason,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    who, renaming = named(actor), _Renaming(asset, rule)
    with open_home() as home:
        if asset:
            home.inventory.asset(asset[1])
        rekeyed: list[str] = []
        refused: dict[str, Text] = {}
        with counting(say(zh="改标识", en="rekeying"), quiet=as_json) as advance:
            for page in _pages(home, finding, renaming):
                edits = [renaming.edit(one, words(reason)) for one in page]
                wanted = [one for one in edits if one]
                done = home.store.edit_each(wanted, actor=who)
                rekeyed += done
                for one in wanted:
                    if one.finding not in done:
                        refused[one.finding] = _why(home, one, who)
                advance(len(page))
    if as_json:
        print_json({"rekeyed": rekeyed, "refused": refused})
    else:
        _print_rekeyed(rekeyed, refused)
    if refused:
        sys.exit(2)


@dataclass(frozen=True, slots=True)
class _Renaming:
    """What is called otherwise now."""

    asset: Rename | None
    rule: Rename | None

    def __post_init__(self) -> None:
        if not (self.asset or self.rule):
            raise BadInput(
                Text(
                    "须写明 --asset 或 --rule 的旧名和新名",
                    "say what is renamed, with --asset OLD NEW or --rule OLD NEW",
                )
            )
        for old, new in filter(None, (self.asset, self.rule)):
            if not new.strip() or not new.isprintable() or old == new:
                shown = new if new.isprintable() else ascii(new)
                raise BadInput(Text(f"“{shown}”不是新名称", f"“{shown}” is no new name"))

    @property
    def query(self) -> Query:
        """All that has the old names, parts too."""
        asset = Equals("asset", self.asset[0]) if self.asset else None
        rule = Equals("rule", self.rule[0]) if self.rule else None
        return Query(all_of([asset, rule]), (Sort("id"),))

    def edit(self, finding: Finding, reason: Text) -> Rekey | None:
        """None when it is done already."""
        weakness = finding.weakness
        rule = self.rule[1] if self.rule else weakness.rule
        check = finding.check if rule.startswith(finding.check + ".") else rule.rpartition(".")[0]
        asset = self.asset[1] if self.asset else finding.asset
        # No revision: a new identity follows from the old one, whatever people make of the finding meanwhile, and
        # parts of one group that are renamed together change each other's.
        made = Rekey(finding.id, reason, None, weakness.weakness_class, asset, check, rule, weakness.locator)
        return None if made.new_id == finding.part_of else made


def _pages(home: Home, finding: str | None, renaming: _Renaming) -> Iterator[Sequence[Finding]]:
    if finding is not None:
        one = home.store.get(finding)
        had = (renaming.asset or (one.asset,))[0], (renaming.rule or (one.weakness.rule,))[0]
        if had != (one.asset, one.weakness.rule):
            raise BadInput(Text(f"发现 {one.id} 不叫 {', '.join(had)}", f"finding {one.id} is not of {', '.join(had)}"))
        yield [one]
        return
    cursor = None
    while True:
        page = home.store.find(renaming.query, _AT_ONCE, cursor)
        yield page.findings
        if not (cursor := page.next_cursor):
            return


def _why(home: Home, refused: Rekey, actor: str) -> Text:
    """Why it was refused; it is tried once more for that, and may be done by now."""
    try:
        home.store.edit(refused, actor=actor)
    except BadInput as error:
        return error.text
    return Text("第二次已完成", "done the second time")


def _print_rekeyed(rekeyed: Sequence[str], refused: dict[str, Text]) -> None:
    said = say(
        zh=f"已改标识 {len(rekeyed)} 个,拒绝 {len(refused)} 个", en=f"rekeyed {len(rekeyed)}, refused {len(refused)}"
    )
    console().print(plain(said))
    for id, why in list(refused.items())[:_MOST_REFUSED]:
        console(stderr=True).print(plain(f"{id}: {tell(why)}", "yellow"), soft_wrap=True)
