"""What is weak in the service itself, told like any other weakness. Pure."""

from datetime import datetime

from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.service.settings import Settings
from secops.service.store_settings import StoreSettings

CHECK = "own-soundness"
OURSELVES = "jindun"
"""The asset and the system that such a finding is of; no inventory need know it."""


def assess_ourselves(settings: Settings, at: datetime) -> Evaluation:
    """One evaluation of `own-soundness`."""
    weakness = store_weakness(settings.store)
    outcome = Outcome.FOUND if weakness else Outcome.TESTED_CLEAN
    reason = (
        weakness.reason if weakness else Text("本服务的存储连接经过验证", "the service knows the store that it uses")
    )
    return Evaluation(OURSELVES, OURSELVES, CHECK, outcome, at, 0.0, reason, (weakness,) if weakness else ())


def store_weakness(wanted: StoreSettings) -> Weakness | None:
    """The weakness of a store that is reached without knowing that it is the right one, or in clear."""
    if wanted.kind != "elasticsearch" or not wanted.insecure:
        return None
    where = ", ".join(wanted.urls)
    return Weakness(
        weakness_class=WeaknessClass.COMPLIANCE,
        rule=f"{CHECK}.store-insecure",
        locator=("store", "insecure"),
        severity=Severity.HIGH,
        title=Text("发现存储的连接未经验证", "The store of findings is reached without verification"),
        reason=Text(
            f"设置 store.insecure 为 true:与 {where} 的连接不核对证书或未加密,路上任何人都能读改发现与登录口令",
            f"store.insecure is true: the connection to {where} is not verified or not encrypted; anybody on the way "
            "could read and alter findings and the login",
        ),
        mend=Text(
            "改用 https,写明 ca_file 或 fingerprint,并删去 insecure",
            "use https, name ca_file or fingerprint, and drop insecure",
        ),
        evidence={"urls": where},
        clauses=("8.1.4.7 a", "8.1.4.8 a"),
    )
