"""Options that several verbs share. Imported by verbs only: their texts are read once the language is known."""

from typing import Annotated

import typer

from secops.support.language import say

AsJson = Annotated[bool, typer.Option("--json", help=say(zh="输出 JSON。", en="Print JSON."))]
