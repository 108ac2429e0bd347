"""Which findings a verb speaks of: a query, and shorthands for what is asked most."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from secops.model.finding import Severity, State
from secops.service.home import Home
from secops.store.query import FIELDS, Query, all_of, one_of, parts_of, without_parts
from secops.store.query_text import parse
from secops.support.language import say

QUERY_HELP = say(
    zh="查询由条件组成:字段:值、字段!=值、字段<值、字段>=值、字段 in (甲, 乙)、字段:开头*、字段:*(有值)、title~文字;"
    "不写字段的词在标题和理由中查找。用 and、or、not 和括号连接。时间写作 2026-11-01,或多久以前(7d、12h)。"
    "末尾可写 sort 字段, -字段(- 为降序)。字段:",
    en="A query is made of conditions: field:value, field!=value, field<value, field>=value, field in (a, b), "
    "field:begin*, field:* (has a value), title~words; words without a field are looked for in title and reason. "
    "Join them with and, or, not and brackets. A time is 2026-11-01, or an age like 7d or 12h. "
    "It may end with sort field, -field (- for the largest first). Fields: ",
) + ", ".join(FIELDS)

Severities = Annotated[
    list[Severity] | None, typer.Option("--severity", help=say(zh="严重程度,可重复。", en="Severity; may be repeated."))
]
States = Annotated[
    list[State] | None,
    typer.Option(
        "--state",
        help=say(zh="状态,可重复;缺省为未关闭的。", en="State; may be repeated. Default: those that are open."),
    ),
]
Everything = Annotated[bool, typer.Option("--all", help=say(zh="包括已关闭的。", en="Those that are closed, too."))]
Parts = Annotated[
    bool,
    typer.Option("--parts", help=say(zh="包括已并入其他发现的。", en="Those that were merged into another one, too.")),
]
Systems = Annotated[
    list[str] | None, typer.Option("--system", help=say(zh="系统 id,可重复。", en="System id; may be repeated."))
]
Assets = Annotated[
    list[str] | None, typer.Option("--asset", help=say(zh="资产 id,可重复。", en="Asset id; may be repeated."))
]
Checks = Annotated[
    list[str] | None, typer.Option("--check", help=say(zh="检查项,可重复。", en="Check; may be repeated."))
]
Wanted = Annotated[
    str,
    typer.Argument(
        metavar="QUERY",
        help=say(
            zh="查询,如 severity>=high and system:智慧医疗 and not (check:tls* or 弱口令) and last_seen<7d "
            "sort -last_seen;@名称 引用保存的查询。",
            en='A query, like: severity>=high and system:tax and not (check:tls* or title~"weak password") '
            "and last_seen<7d sort -last_seen; @name stands for a saved one.",
        ),
        show_default=False,
    ),
]


def asked(home: Home, wanted: str, everything: bool, parts: bool = False, **chosen: Sequence[str] | None) -> Query:
    """What the query and the shorthands say together; those that are open, unless one of them speaks of the state, and
    that stand for themselves, unless one of them speaks of parts.
    """
    parsed = parse(wanted, home.saved_queries.__getitem__)
    speaks_of_state = any(getattr(part, "field", "") == "state" for part in parts_of(parsed.where))
    if not (chosen["state"] or everything or speaks_of_state):
        chosen["state"] = [one for one in State if one.open]
    given = (one_of(name, values or ()) for name, values in chosen.items())
    query = replace(parsed, where=all_of([parsed.where, *given]))
    return query if parts else without_parts(query)
