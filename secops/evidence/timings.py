"""T0–T6: the seven moments of a disturbance, and what is measured between them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from secops.model.text import Text

MOMENTS = {
    "T0": Text(
        "故障前最后一次成功的业务探测,即业务最后一次确认正常的时刻",
        "the last business probe that succeeded before the fault: when the business was last known to be well",
    ),
    "T1": Text("故障被发现并得到确认的时刻", "the fault was noticed and confirmed"),
    "T2": Text("决定处置(宣告或批准)的时刻", "somebody, or a rule that may, decided to act"),
    "T3": Text("确认旧主已被隔离、不能再造成危害的时刻", "the old primary was confirmed to be harmless"),
    "T4": Text("接替者获得主用身份的时刻", "the successor became the primary"),
    "T5": Text(
        "经由公共入口的业务级探测首次成功的时刻,即用户恢复使用",
        "the first business probe through the public entry that succeeded: users are served again",
    ),
    "T6": Text(
        "保护恢复的时刻:备份与备用重新就绪,能够承受下一次故障",
        "protection is back: copies and standby are ready, the next fault could be borne",
    ),
}

MEASURES = {
    "rto": (
        "T5-T0",
        Text("实际恢复时间:业务不可用的全部时长", "actual recovery time: all of the time without business"),
    ),
    "decision": ("T2-T1", Text("决策用时:从发现到决定", "time to decide: from noticing to the decision")),
    "technical": ("T5-T2", Text("技术用时:从决定到业务恢复", "technical time: from the decision to business")),
    "exposure": (
        "T6-T5",
        Text("暴露窗口:业务已恢复但保护尚未恢复", "exposure window: served, but unprotected"),
    ),
    "rpo": (
        "last_acknowledged-recovered_to",
        Text(
            "实际数据丢失窗口:最后一次已确认的写入(无探针时取 T0)与恢复到的时刻之差",
            "actual loss of data: from the moment recovered to until the last acknowledged write (T0 without a canary)",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Timings:
    """What is known of the seven moments, UTC; a moment that never came or was not watched is None."""

    t0: datetime | None = None
    t1: datetime | None = None
    t2: datetime | None = None
    t3: datetime | None = None
    t4: datetime | None = None
    t5: datetime | None = None
    t6: datetime | None = None
    last_acknowledged: datetime | None = None
    """Commit time of the last write that a client had acknowledged before the loss."""
    recovered_to: datetime | None = None
    """The moment whose data came back: a restore point's `taken`, or the last canary found after recovery."""
    acknowledged_lost: int | None = None
    """How many acknowledged writes are missing; None when nobody counted."""

    def __post_init__(self) -> None:
        for moment in (*self.moments.values(), self.last_acknowledged, self.recovered_to):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("timings need aware datetimes")

    @property
    def moments(self) -> dict[str, datetime | None]:
        """T0 to T6 by name, in order."""
        return dict(zip(MOMENTS, (self.t0, self.t1, self.t2, self.t3, self.t4, self.t5, self.t6), strict=True))

    @property
    def rto(self) -> timedelta | None:
        """T5 − T0."""
        return _between(self.t0, self.t5)

    @property
    def decision(self) -> timedelta | None:
        """T2 − T1."""
        return _between(self.t1, self.t2)

    @property
    def technical(self) -> timedelta | None:
        """T5 − T2."""
        return _between(self.t2, self.t5)

    @property
    def exposure(self) -> timedelta | None:
        """T6 − T5."""
        return _between(self.t5, self.t6)

    @property
    def rpo(self) -> timedelta | None:
        """Last acknowledged write (T0 when unknown) − the moment recovered to."""
        return _between(self.recovered_to, self.last_acknowledged or self.t0)

    @property
    def measures(self) -> dict[str, timedelta | None]:
        """Every measure by name; None when an end is missing or the two stand in the wrong order."""
        return {name: getattr(self, name) for name in MEASURES}

    @property
    def inconsistencies(self) -> tuple[Text, ...]:
        """One sentence for each moment that lies before one it should follow; empty when all is in order."""
        known = [(name, moment) for name, moment in self.moments.items() if moment is not None]
        latest: tuple[str, datetime] | None = None
        sentences = []
        for name, moment in known:
            if latest and moment < latest[1]:
                sentences.append(_out_of_order(latest[0], name))
            else:
                latest = (name, moment)
        return (*sentences, *self._recovered_too_late())

    def _recovered_too_late(self) -> tuple[Text, ...]:
        until = self.last_acknowledged or self.t0
        if not until or not self.recovered_to or self.recovered_to <= until:
            return ()
        return (
            Text(
                "恢复到的时刻晚于最后一次已确认的写入,无法得出数据丢失窗口",
                "the moment recovered to is later than the last acknowledged write, so no loss of data can be derived",
            ),
        )


def timing_body(timings: Timings) -> dict[str, object]:
    """The body of a `timing` record: moments and measures, each with what it means, and what does not fit together."""
    return {
        "moments": {name: {"at": at, "means": MOMENTS[name]} for name, at in timings.moments.items()},
        "measures": {
            name: {"seconds": taken.total_seconds() if taken is not None else None, "is": formula, "means": means}
            for (name, (formula, means)), taken in zip(MEASURES.items(), timings.measures.values(), strict=True)
        },
        "last_acknowledged": timings.last_acknowledged,
        "recovered_to": timings.recovered_to,
        "acknowledged_lost": timings.acknowledged_lost,
        "inconsistencies": timings.inconsistencies,
    }


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return end - start if start and end and start <= end else None


def _out_of_order(earlier: str, later: str) -> Text:
    return Text(
        f"时刻不一致:{later} 早于 {earlier},相关用时不予计算",
        f"the moments do not fit: {later} lies before {earlier}; measures that need both in order are left out",
    )
