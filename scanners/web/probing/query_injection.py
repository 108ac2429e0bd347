"""What checks of query languages share: a query that breaks complains, a condition that is added tells true from false."""

import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.complaint import complains
from scanners.web.probing.difference import Pair, depends
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import Verdict
from secops.model.text import Text


class QueryInjection(PointCheck):
    """One query language."""

    language: ClassVar[str]
    """Its name, for people."""
    complaints: ClassVar[re.Pattern[str]]
    """What its engines say of a query that they cannot read."""
    breaking: ClassVar[str]
    """Put behind the value, no query can be read any more."""

    def fits(self, point: Point) -> bool:
        """Names of files go into no query."""
        return point.part is not Part.FILE_NAME

    @abstractmethod
    def conditions(self, point: Point, trial: Trial) -> Iterator[list[Pair]]:
        """Each way to add a condition, with several pairs."""

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request, and two for each way where nothing shows."""
        complaint = yield from complains(trial, point, self.complaints, (f"{point.value}{self.breaking}",))
        if complaint:
            because = Text(
                f"参数中加入 {self.breaking} 后 {self.language} 引擎报错“{complaint.words}”",
                f"with {self.breaking} in the field the {self.language} engine complains (“{complaint.words}”)",
            )
            return Verdict(because, {"payload": complaint.payload, "response": complaint.excerpt}, rule="error")
        for pairs in self.conditions(point, trial):
            told = yield from depends(trial, point.inject, pairs)
            if told:
                return self._by_truth(pairs, told)
        return None

    def _by_truth(self, pairs: list[Pair], told: list[str]) -> Verdict:
        because = Text(
            f"{self.language} 条件为真与为假的 {len(pairs)} 组请求应答稳定不同,例如“{told[0]}”",
            f"{len(pairs)} pairs of true and false {self.language} conditions always differ, e.g. in “{told[0]}”",
        )
        return Verdict(because, {"true": pairs[0][0], "false": pairs[0][1]}, rule="boolean")
