import pytest

from unlearn.attacks.depth import Drops, unlearning_depth


@pytest.mark.parametrize(
    ("goal", "model", "wanted"),
    [
        ([1.0, 3.0], [1.0, 3.0], 1.0),  # as deep as Goal
        ([1.0, 3.0], [0.0, -0.5], 0.0),  # nothing lost, or something gained
        ([1.0, 3.0], [0.5, 1.5], 0.5),  # (0.5 + 1.5) / 4
        ([1.0, 3.0], [9.0, 0.0], 0.25),  # more than Goal at one layer makes up for nothing at another
        ([0.05, 2.0], [5.0, 1.0], 0.5),  # the first layer says nothing: it is not above 0.05
        ([0.01, 0.05], [1.0, 1.0], None),
    ],
)
def test_depth_by_hand(goal: list[float], model: list[float], wanted: float | None) -> None:
    assert unlearning_depth(Drops(goal, model)) == wanted
