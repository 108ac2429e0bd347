"""The outcome of a template on a site, from what came of its run. Not answered is never clean."""

import re

from scanners.web.campaign.driven import Driven
from scanners.web.campaign.trouble import Trouble
from scanners.web.templates.model import Template
from secops.model.outcome import Outcome
from secops.model.text import Text

_LACKS = re.compile(r"no value for (.+)")
_CLEAN = Text("已测试,未匹配", "tested, no match")
_NO_LISTENER = Text(
    "模板需要带外监听,本次没有可被目标访问的监听", "needs an out-of-band listener that the target can reach"
)


def verdict(template: Template, run: Driven) -> tuple[Outcome, Text]:
    """How it ended, and the sentence that explains it."""
    if run.matches:
        count = len(run.matches)
        return Outcome.FOUND, Text(f"匹配 {count} 处", f"{count} matches" if count > 1 else "it matches")
    if run.trouble is not None:
        return run.trouble.outcome, run.trouble.reason
    assert run.outcome is not None
    for unsent in run.outcome.unsent:
        trouble = _kept_from_sending(template, unsent.because)
        if trouble is not None:
            return trouble.outcome, trouble.reason
    if not run.outcome.answered and not run.outcome.sent and not run.outcome.unsent:
        return Outcome.SKIPPED, Text("模板没有可发送的请求", "the template has nothing to send")
    if run.discarded:
        return Outcome.TESTED_CLEAN, Text(
            f"{run.discarded} 处匹配未能成立:随机路径同样匹配,或重放时未再出现",
            f"{run.discarded} matches did not hold: a random path gives them too, or they did not happen again",
        )
    return Outcome.TESTED_CLEAN, _CLEAN


def _kept_from_sending(template: Template, because: str) -> Trouble | None:
    """Why steps were not sent; None when earlier answers lacked what the template takes from them."""
    if "out-of-band" in because:
        return Trouble(Outcome.SKIPPED, _NO_LISTENER)
    lacks = _LACKS.fullmatch(because)
    if lacks is None:
        return Trouble(Outcome.SKIPPED, Text(f"请求无法构造:{because}", f"the request cannot be built: {because}"))
    extracted = {extractor.name for block in template.blocks for extractor in block.extractors}
    missing = [name for name in lacks[1].split(", ") if not any(one and one in name for one in extracted)]
    if not missing:
        return None
    listed = ", ".join(missing)
    return Trouble(
        Outcome.SKIPPED, Text(f"需要变量 {listed}(用 --var 给出)", f"needs values for {listed}: give them with --var")
    )
