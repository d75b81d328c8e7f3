import itertools
import random
import re
import xml.etree.ElementTree as ElementTree

import pytest
from made_boards import FINETUNED, GOAL, board, result

from pebench_tasks.pages import plots
from pebench_tasks.pages.labels import LETTER, LINE, Box, Label, place
from pebench_tasks.pages.plots import STAR, Dot, changes, draw, neighbours, plane, profile, series

FRAME = Box(0, 0, plots.WIDTH, plots.HEIGHT)
HOSTILE = "</title><script>alert(1)</script> & \"'"


def box(label: Label) -> Box:
    width, half = LETTER * 12 * len(label.text), LINE * 6
    left = {"left": label.x, "center": label.x - width / 2, "right": label.x - width}[label.align]
    return Box(left, label.y - half, left + width, label.y + half)


def three() -> plots.Board:
    middle = GOAL | {"retain": 60.0, "real": 50.0}
    return board(
        result("finetuned", FINETUNED, method="finetune"), result("gd", middle), result("goal", GOAL, method="goal")
    )


def width(svg: str) -> float:
    """In the plot's own pixels."""
    return float(ElementTree.fromstring(svg).attrib["viewBox"].split()[2])


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("title")]


# Labels


@pytest.mark.parametrize("models", [1, 3, 8, 20])
def test_no_label_covers_another_or_a_point_or_leaves_the_frame(models: int) -> None:
    draw_from = random.Random(models)
    points = [
        (draw_from.uniform(150, plots.WIDTH - 8), draw_from.uniform(5, 200), f"simnpo-person-{number}")
        for number in range(models)
    ]
    labels = place(points, FRAME, size=12, radius=7)
    boxes = [box(label) for label in labels]
    for number, one in enumerate(boxes):
        assert one.within(FRAME)
        assert not any(one.overlaps(other) for other in boxes[number + 1 :])
        assert not any(one.overlaps(Box(x - 7, y - 7, x + 7, y + 7)) for x, y, _ in points)


def test_a_lone_point_is_labelled_on_its_right() -> None:
    assert place([(100, 100, "gd")], FRAME, size=12, radius=7) == [Label("gd", 110, 100, "left", None)]


def test_at_the_right_edge_the_label_goes_to_the_left() -> None:
    (label,) = place([(260, 100, "gd")], FRAME, size=12, radius=7)
    assert (label.align, label.x) == ("right", 250)


def test_two_models_at_one_place_are_both_named() -> None:
    first, second = place([(100, 100, "ga"), (100, 100, "gd")], FRAME, size=12, radius=7)
    assert not box(first).overlaps(box(second))


def test_a_long_name_is_cut() -> None:
    (label,) = place([(10, 100, "n" * 60)], FRAME, size=12, radius=7)
    assert label.text == "n" * 23 + "…"


# Plots


def test_finetuned_is_a_hollow_square_and_goal_a_star() -> None:
    finetuned, model, goal = series(three().entries)
    assert (finetuned.shape, finetuned.fill) == ("square", "transparent")
    assert (goal.shape, goal.fill) == (STAR, "var(--ink)")
    assert (model.shape, model.colour) == ("circle", "var(--s0)")


def test_models_differ_in_form_as_well_as_in_colour() -> None:
    drawn = series(board(*(result(f"m{number}", GOAL) for number in range(20))).entries)
    assert len({(one.shape, one.colour) for one in drawn}) == 20
    assert all(one.shape != other.shape for one, other in itertools.pairwise(drawn))


def test_a_plot_takes_its_colours_and_fonts_from_the_page_and_nothing_from_elsewhere() -> None:
    for svg in (plane(three()), profile(three())):
        colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg))
        assert all(colour.startswith("var(--") or colour in ("none", "transparent") for colour in colours), colours
        assert set(re.findall(r'font-family="([^"]+)"', svg)) == {"inherit"}
        for outside in ("http", "url(", " id=", " style=", "<style", "<script", "xlink"):
            assert outside not in svg


def test_every_mark_says_what_it_is() -> None:
    assert titles(plane(three())) == [
        "finetuned: forget quality 0.00, retained utility 0.96",
        "goal: forget quality 1.00, retained utility 0.96",  # (0.98 + 1 + 0.95 + 0.9) / 4
        "gd: forget quality 1.00, retained utility 0.75",
    ]
    said = titles(profile(three()))
    assert len(said) == 18
    assert "gd, retain: 60.0 (50–70), n 20" in said
    assert "gd, scope: 1.000 (0.90–1.10), n 20" in said


def test_a_plot_is_an_image_with_a_name() -> None:
    root = ElementTree.fromstring(plane(three()))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"].startswith("Forget quality against retained utility of finetuned, gd, goal")
    assert width(plane(three())) <= 345


def test_a_profile_of_twenty_models_is_no_wider() -> None:
    one = profile(board(*(result(f"a-long-name-of-a-model-{number}", GOAL) for number in range(20))))
    assert width(one) <= 345
    assert len(titles(one)) == 120


def test_a_model_without_figures_is_not_drawn() -> None:
    found = board(result("m", GOAL), result("w", {}, withheld="never read"))
    assert [title.partition(":")[0] for title in titles(plane(found))] == ["m"]
    assert "w" not in {title.partition(",")[0] for title in titles(profile(found))}


def test_nothing_but_withheld_scores_gives_empty_plots() -> None:
    drawn = draw(board(result("w", {}, withheld="never read")))
    assert titles(drawn.plane) == titles(drawn.profile) == []


def test_a_hostile_name_stays_text() -> None:
    svg = plane(board(result("m", GOAL)._replace(checkpoint=HOSTILE)))
    assert "<script" not in svg
    assert ElementTree.fromstring(svg) is not None


def test_neighbours_are_drawn_where_there_are_both_parts() -> None:
    part = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8, "events": ["a"]}
    both = {"slice": "retain", "forgotten": ["b"], "near": part, "other": part}
    svg = neighbours(board(result("m", {"retain": 0.5}, "event", statistics={"neighbours": both})))
    assert svg is not None
    assert titles(svg) == ["m, near events: 0.500 (0.40–0.60), n 8", "m, other events: 0.500 (0.40–0.60), n 8"]
    one = {**both, "near": {**part, "value": None, "events": []}}
    assert neighbours(board(result("m", {"retain": 0.5}, "event", statistics={"neighbours": one}))) is None


def test_changes_are_drawn_around_nought() -> None:
    dots = [Dot("retain", "gd", -0.2, -0.34, -0.1, "gd: -20"), Dot("efficacy", "gd", 0.1, 0.0, 0.2, "gd: +10")]
    svg = changes(dots, ["gd"], "Changes")
    assert titles(svg) == ["gd: -20", "gd: +10"]
    assert {"−0.4", "0", "+0.4"} <= set(re.findall(r">([^<>]+)</text>", svg))


def test_the_same_board_gives_the_same_bytes() -> None:
    assert draw(three()) == draw(three())
