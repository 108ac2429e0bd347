"""The matrix of GB/T 22240-2020, every cell, and the level of a system from S and A."""

from itertools import product

import pytest

from secops.inventory.grading import INFORMATION, MATRIX, grade, level_of
from secops.model.city import Grade, Impact, ImpactDegree, ImpactObject, Level

CELLS = {
    ("legal_rights", "general"): 1,
    ("legal_rights", "serious"): 2,
    ("legal_rights", "extreme"): 2,
    ("public_order", "general"): 2,
    ("public_order", "serious"): 3,
    ("public_order", "extreme"): 4,
    ("national_security", "general"): 3,
    ("national_security", "serious"): 4,
    ("national_security", "extreme"): 5,
}
IMPACTS = [Impact(harmed, degree) for harmed, degree in product(ImpactObject, ImpactDegree)]


@pytest.mark.parametrize("impact", IMPACTS, ids=lambda each: f"{each.object}-{each.degree}")
def test_every_cell_of_the_matrix(impact: Impact) -> None:
    decision = level_of(impact, INFORMATION)
    assert decision.action == CELLS[impact.object.value, impact.degree.value]
    assert isinstance(decision.action, Level)
    assert "GB/T 22240-2020" in decision.because.zh
    assert f"level {int(decision.action)}" in decision.because.en


def test_the_matrix_never_falls_with_a_graver_object_or_degree() -> None:
    for harmed in ImpactObject:
        levels = [MATRIX[harmed][degree] for degree in ImpactDegree]
        assert levels == sorted(levels)
    for degree in ImpactDegree:
        levels = [MATRIX[harmed][degree] for harmed in ImpactObject]
        assert levels == sorted(levels)


def test_the_higher_of_s_and_a_is_the_level_of_the_system() -> None:
    for information, service in product(IMPACTS, IMPACTS):
        grading = grade(Grade(information, service))
        s, a = CELLS[information.object, information.degree], CELLS[service.object, service.degree]
        assert grading.system.action == max(s, a)
        assert grading.text == f"S{s}A{a}G{max(s, a)}"
