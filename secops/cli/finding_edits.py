"""How verbs change findings: in whose name, and what they say when somebody else was faster."""

import getpass
import os
import re
import sys
import unicodedata
from typing import Annotated

import typer

from secops.cli.finding_tables import print_history
from secops.cli.finding_words import STATES
from secops.cli.tables import console, plain, print_json
from secops.model.finding import Finding
from secops.model.text import Text
from secops.service.home import Home
from secops.store.edits import Edit
from secops.store.refusals import Conflict
from secops.support.errors import BadInput
from secops.support.language import say, tell

Id = Annotated[
    str, typer.Argument(metavar="ID", help=say(zh="发现的编号,前几位即可。", en="Id of the finding, or how it begins."))
]
Reason = Annotated[str, typer.Option(help=say(zh="理由,记入历史。", en="Why; it goes into the history."))]
Revision = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=say(
            zh="您看到的版本;此后状态或严重程度变了就拒绝。缺省为现在的版本。",
            en="The revision that you saw: refused when state or severity changed since. Default: the present one.",
        ),
        show_default=False,
    ),
]
Actor = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        help=say(
            zh="以谁的名义(自报,未认证);缺省为操作系统用户。",
            en="In whose name (claimed, not authenticated); default: the user of the operating system.",
        ),
        show_default=False,
    ),
]
_NO_PERSONS = ("scan:", "policy:")
_LONGEST_NAME = 200
_LONGEST_REASON = 4000
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What counts as printable and shows nothing."""


def named(actor: str | None) -> str:
    """Who it is. Raises BadInput for a name that only our own doings have, or that does not look like what it is."""
    if actor is None:
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return f"uid:{os.getuid()}"
    if not actor.isprintable() or _UNSEEN.search(actor) or len(actor) > _LONGEST_NAME:
        raise BadInput(
            Text(
                f"姓名须为一行可见的文字,不超过 {_LONGEST_NAME} 个字符:{actor[:_LONGEST_NAME]!a}",
                f"a name is one line of what can be seen, at most {_LONGEST_NAME} characters: "
                f"{actor[:_LONGEST_NAME]!a}",
            )
        )
    if unicodedata.normalize("NFKC", actor).strip().lower().startswith(_NO_PERSONS):
        raise BadInput(
            Text(f"“{actor}”不是人的名字", f"“{actor}” is no person's name: it is kept for scans and policies")
        )
    return actor


def words(reason: str) -> Text:
    """What a person wrote, alike in both languages. Raises BadInput as `written` does."""
    return Text(written(reason), reason)


def written(by_a_person: str) -> str:
    """The same. Raises BadInput for bytes that are no text, which no store keeps, and for what is no sentence."""
    try:
        by_a_person.encode()
    except UnicodeEncodeError:
        raise BadInput(
            Text(f"{by_a_person!a} 不是文字(编码不对)", f"{by_a_person!a} is no text: its encoding is wrong")
        ) from None
    if len(by_a_person) > _LONGEST_REASON:
        raise BadInput(Text(f"文字超过 {_LONGEST_REASON} 个字符", f"that is longer than {_LONGEST_REASON} characters"))
    return by_a_person


def edit(home: Home, change: Edit, actor: str | None, as_json: bool) -> Finding:
    """Do it. When somebody else was faster, show what they did, and raise Conflict."""
    who = named(actor)
    try:
        return home.store.edit(change, actor=who)
    except Conflict as conflict:
        seen = change.revision or 0
        since = [event for event in home.store.history(change.finding) if event.revision > seen]
        if as_json:
            print_json({"conflict": conflict.text, "since": since})
        elif since:
            title = say(zh=f"第 {seen} 版以来的变化", en=f"what changed since revision {seen}")
            print_history(since, title, console(stderr=True))
        sys.stdout.flush()
        raise


def print_state(finding: Finding, before: Finding, as_json: bool) -> None:
    """What became of a finding that was moved."""
    if as_json:
        print_json(finding)
        return
    change = f"{tell(STATES[before.state])} → {tell(STATES[finding.state])}"
    sentence = say(
        zh=f"{finding.id}:{change}(第 {finding.revision} 版)",
        en=f"{finding.id}: {change} (revision {finding.revision})",
    )
    console().print(plain(sentence), soft_wrap=True)
