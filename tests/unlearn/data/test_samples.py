"""The order in which samples are drawn, and how they are asked."""

from collections import Counter

import pebench_templates
import pytest

from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Sample, SampleSet, Unit, ask, by_image, name_sample, scene_sample, singles


def some(count: int, prefix: str = "s") -> list[Unit]:
    return singles(
        Sample(f"{prefix}{i}", "person_question", (), "This is A.", f"{prefix}{i}/name") for i in range(count)
    )


def images(count: int, prefix: str = "s") -> list[Unit]:
    """Units of the two questions about an image."""
    keys = [f"{prefix}{i}" for i in range(count)]
    return by_image(sample for key in keys for sample in (name_sample(key, "A"), scene_sample(key, "Rain.")))


def key(chosen: SampleSet, position: int, seed: str = "0") -> str:
    (question,) = chosen.at(position, seed)
    return question.key


def test_an_epoch_draws_every_sample_once_and_the_next_one_in_another_order() -> None:
    chosen = SampleSet(some(20))
    epochs = [[key(chosen, p) for p in range(start, start + 20)] for start in (0, 20)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(unit[0].key for unit in chosen.units)
    assert epochs[0] != epochs[1]


def test_a_set_is_covered_evenly_at_any_length() -> None:
    chosen = SampleSet(some(7))
    for length in range(1, 40):
        drawn = Counter(key(chosen, position) for position in range(length))
        counts = [drawn[unit[0].key] for unit in chosen.units]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("share", [0.1, 0.25, 1 / 3, 0.5, 0.9])
def test_the_replay_share_is_spread_evenly_and_its_lists_take_turns(share: float) -> None:
    chosen = SampleSet(some(30), [some(50, "a"), some(4, "b")], share)
    drawn = [key(chosen, position)[0] for position in range(200)]
    for length in range(1, 201):
        replayed = [letter for letter in drawn[:length] if letter != "s"]
        assert abs(len(replayed) - share * length) <= 1
        assert 0 <= replayed.count("a") - replayed.count("b") <= 1
    epoch = [key(chosen, position) for position in range(len(chosen))]
    assert len({letter for letter in epoch if letter[0] == "s"}) == pytest.approx(30, abs=1)


def test_all_trained_phrasings_are_drawn_and_no_probe_is() -> None:
    chosen = SampleSet(some(5))
    asked = {chosen.at(position, "0")[0].question for position in range(100)}
    assert asked == {pebench_templates.render("person_question", phrasing=i) for i in range(4)}


@pytest.mark.parametrize("questions", [None, 3])
def test_what_is_drawn_depends_on_the_seed_and_the_position_alone(questions: int | None) -> None:
    one, two = (SampleSet(images(20), [some(3, "a")], 0.25, questions=questions) for _ in range(2))
    drawn = [one.at(position, "0") for position in range(60)]
    assert [two.at(position, "0") for position in reversed(range(60))] == drawn[::-1]
    assert [two.at(position, "1") for position in range(60)] != drawn


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="replay share"):
        SampleSet(some(3), [some(3)], 1.0)


# Units of several samples


def test_without_a_number_of_questions_a_position_asks_the_whole_unit_in_one_phrasing() -> None:
    """The refusal and the true answer of DPO belong to one prompt."""
    refusal, truth = name_sample("s0", "A")._replace(answer="No."), name_sample("s0", "A")
    chosen = SampleSet([(refusal, truth)])
    for position in range(20):
        one, other = chosen.at(position, "0")
        assert one.question == other.question
        assert (one.answer, other.answer) == ("No.", "This is A.")


@pytest.mark.parametrize("questions", [2, 3, 5, 8])
def test_a_position_asks_that_many_distinct_questions_about_one_image(questions: int) -> None:
    chosen = SampleSet(images(5), questions=questions)
    for position in range(30):
        asked = chosen.at(position, "0")
        assert len(asked) == len(set(asked)) == questions
        assert len({question.image for question in asked}) == 1


@pytest.mark.parametrize("questions", [1, 2, 3, 5, 8])
def test_the_samples_of_an_image_are_asked_about_equally(questions: int) -> None:
    chosen = SampleSet(images(5), questions=questions)
    for cycles in range(1, 9):
        asked = Counter(question.key for p in range(5 * cycles) for question in chosen.at(p, "0"))
        assert len(asked) == (10 if questions > 1 or cycles > 1 else 5)
        counts = [asked[sample.key] for unit in chosen.units for sample in unit]
        assert max(counts) - min(counts) <= 1


def test_more_questions_than_there_are_phrasings_repeat_them_evenly() -> None:
    chosen = SampleSet(some(2), questions=6)
    counts = Counter(question.question for question in chosen.at(0, "0"))
    assert sorted(counts.values()) == [1, 1, 2, 2]


@pytest.mark.parametrize(("questions", "length"), [(None, 5), (1, 10), (2, 5), (4, 2), (8, 1)])
def test_an_epoch_asks_every_sample_about_once(questions: int | None, length: int) -> None:
    """Five images with two samples each."""
    assert len(SampleSet(images(5), questions=questions)) == length
    assert SampleSet(images(5), questions=questions).samples == 10


def test_samples_are_grouped_by_image_in_the_order_of_first_occurrence() -> None:
    a, b, c = name_sample("b", "A"), name_sample("a", "A"), scene_sample("b", "Rain.")
    assert by_image([a, b, c]) == [(a, c), (b,)]


def test_asking_keeps_what_the_sample_says_and_renders_the_question() -> None:
    sample = Sample("i", "fact_question", (("name", "A B"), ("fact", "age")), "30.", "k", "30", ("A B",))
    asked = ask(sample, 1)
    expected = pebench_templates.render("fact_question", phrasing=1, name="A B", fact="age")
    assert asked == ("i", expected, "30.", "k", "30", ("A B",))


def test_the_samples_of_a_unit_are_about_one_picture() -> None:
    """Behind a shared beginning the first one's picture would stand for all."""
    one, other = (name_sample(key, "Ann") for key in ("p000/e00", "p001/e00"))
    for units, replay in (([(one, other)], []), ([(one,)], [[(one,), (other, one)]])):
        with pytest.raises(BenchmarkError, match="behind one picture, but these are about p000/e00, p001/e00"):
            SampleSet(units, replay, 0.25)
