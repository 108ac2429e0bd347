"""All helper functions by both of their spellings."""

from scanners.web.templates.expressions import functions
from scanners.web.templates.expressions.functions.registry import Function
from secops.support.plugins import plugins_in

UNSUPPORTED = frozenset({"generate_java_gadget", "llm_prompt", "public_ip", "jarm"})
"""Known names that we do not run: they build exploits for one platform or ask third parties."""


def _both_spellings() -> dict[str, Function]:
    found = plugins_in(functions, Function)
    return {name.replace("_", ""): function for name, function in found.items()} | found


FUNCTIONS = _both_spellings()
UNSUPPORTED_SPELLINGS = UNSUPPORTED | {name.replace("_", "") for name in UNSUPPORTED}
