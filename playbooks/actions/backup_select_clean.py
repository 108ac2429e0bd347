"""Choose the newest copy that is proven clean."""

from collections.abc import Mapping
from typing import Any

from backup.verdicts import select_clean
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import points_of
from playbooks.moments import moment_of
from playbooks.proving import freshness_for
from playbooks.schema import Duration
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text
from secops.support.clock import to_text


class SelectOptions(Options):
    """Options of `backup.select_clean`."""

    asset: str
    """The asset to restore."""
    before: str = ""
    """Moment of the first sign of trouble; only older copies are trusted. A finding gives `finding.first_seen`; when left
    out, now."""
    until: str = ""
    """The moment that the log is to bring it to; only older copies serve."""
    proof_lasts: Duration | None = None
    """How long proof counts; when left out, twice what the tier's policy puts between two scans."""


class SelectClean(Action[SelectOptions]):
    """See `describes`."""

    name = "backup.select_clean"
    title = Text("选择干净的恢复点", "Select a clean restore point")
    describes = Text(
        "选出迹象首次出现之前、已证明可读、可恢复、干净且结论未过期的最新恢复点,并说明为何跳过更新的恢复点。",
        "Chooses the newest point from before the first sign of trouble that is proven readable, restorable and clean "
        "by proof that still counts, and says why newer ones were passed over.",
    )
    touches = Touches.READS
    options = SelectOptions
    gives = frozenset({"point", "taken", "because"})

    def plan(self, options: SelectOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One look into the catalogue and one at the clock."""
        source = context.inventory.asset(options.asset)
        points = yield from points_of(source.id)
        freshness = yield from freshness_for(source, context, options.proof_lasts)
        asked = [moment for moment in (moment_of(options.before), moment_of(options.until)) if moment]
        decision = select_clean(points, min(asked, default=freshness.moment), freshness)
        if decision.action is None:
            raise ProcedureFailed(decision.because.zh, decision.because.en)
        because = {"zh": decision.because.zh, "en": decision.because.en}
        return {"point": decision.action.id, "taken": to_text(decision.action.taken), "because": because}


action = SelectClean()
