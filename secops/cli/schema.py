"""`secops schema`: JSON Schemas of the files that people write, for editors.

A module that reads such a file says so with `SCHEMA_KIND`, the type of the file, and is found by that; `SCHEMA_NAME` is
the name here, by default the type's in lower case without `Spec`.
"""

from typing import Annotated, Any

import typer

import backup
import playbooks
import scanners.web.sessions
import secops.inventory
import secops.service
import secops.sla
from secops.cli.tables import print_json
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.language import say
from secops.support.plugins import modules_in
from secops.support.strict_yaml import json_schema
from secops.support.suggestions import did_you_mean

verb = typer.Typer()


def kinds() -> dict[str, type[Any]]:
    """Every type of file that people write, by name."""
    found: dict[str, type[Any]] = {}
    for package in (backup, secops.inventory, secops.service, secops.sla, playbooks, scanners.web.sessions):
        for module in modules_in(package):
            kind = vars(module).get("SCHEMA_KIND")
            if kind is not None:
                found[vars(module).get("SCHEMA_NAME", kind.__name__.removesuffix("Spec").lower())] = kind
    return dict(sorted(found.items()))


@verb.command(
    name="schema",
    help=say(
        zh="输出某类文件的 JSON Schema(2020-12),例如 inventory、playbook、settings、sla、session。",
        en="Print the JSON Schema (2020-12) of a kind of file, like inventory, playbook, settings, sla, session.",
    ),
)
def schema(
    name: Annotated[str, typer.Argument(metavar="KIND", help=say(zh="文件类型。", en="Kind of file."))],
) -> None:
    known = kinds()
    if name not in known:
        hint, listed = did_you_mean(name, known), ", ".join(known)
        raise BadInput(
            Text(
                f'没有文件类型 "{name}"{hint.zh}(可选:{listed})',
                f'there is no kind of file "{name}"{hint.en} (known: {listed})',
            )
        )
    print_json(json_schema(known[name]))
