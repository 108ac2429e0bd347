"""Classified-protection grading by GB/T 22240-2020: impact object and degree give the level, for S and A apart."""

from dataclasses import dataclass

from secops.inventory.words import DEGREES, LEVELS, OBJECTS
from secops.model.city import Grade, Impact, ImpactDegree, ImpactObject, Level
from secops.model.decision import Decision
from secops.model.text import Text

SOURCE = "GB/T 22240-2020"

MATRIX: dict[ImpactObject, dict[ImpactDegree, Level]] = {
    ImpactObject.LEGAL_RIGHTS: {
        ImpactDegree.GENERAL: Level.L1,
        ImpactDegree.SERIOUS: Level.L2,
        ImpactDegree.EXTREME: Level.L2,
    },
    ImpactObject.PUBLIC_ORDER: {
        ImpactDegree.GENERAL: Level.L2,
        ImpactDegree.SERIOUS: Level.L3,
        ImpactDegree.EXTREME: Level.L4,
    },
    ImpactObject.NATIONAL_SECURITY: {
        ImpactDegree.GENERAL: Level.L3,
        ImpactDegree.SERIOUS: Level.L4,
        ImpactDegree.EXTREME: Level.L5,
    },
}

INFORMATION = Text("业务信息(S)", "business information (S)")
SERVICE = Text("系统服务(A)", "system service (A)")


@dataclass(frozen=True, slots=True)
class Grading:
    """The three levels of a system, each with its sentence."""

    information: Decision[Level]
    """S."""
    service: Decision[Level]
    """A."""
    system: Decision[Level]
    """The level of the system, which is also G."""

    @property
    def text(self) -> str:
        """As it is written in filings: `S3A2G3`."""
        return f"S{self.information.action}A{self.service.action}G{self.system.action}"


def level_of(impact: Impact, aspect: Text) -> Decision[Level]:
    """The level of one aspect by the matrix."""
    level = MATRIX[impact.object][impact.degree]
    harmed, degree, named = OBJECTS[impact.object], DEGREES[impact.degree], LEVELS[level]
    return Decision(
        level,
        Text(
            f"{aspect.zh}受到破坏时,对{harmed.zh}造成{degree.zh},定为{named.zh}({SOURCE} 定级矩阵)",
            f"damage to the {aspect.en} does {degree.en} to {harmed.en}: {named.en} "
            f"(matrix of impact object and degree of {SOURCE})",
        ),
    )


def grade(grade: Grade) -> Grading:
    """Grade both aspects; the higher one is the level of the system."""
    information, service = level_of(grade.information, INFORMATION), level_of(grade.service, SERVICE)
    highest = max(information.action, service.action)
    named = LEVELS[highest]
    because = Text(
        f"取 S{information.action} 与 A{service.action} 中较高者,系统为{named.zh}({SOURCE})",
        f"the higher of S{information.action} and A{service.action} makes it a {named.en} system ({SOURCE})",
    )
    return Grading(information, service, Decision(highest, because))
