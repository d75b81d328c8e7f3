"""Batches lose nothing and gain nothing: by padding, by splitting, by packing questions behind one image."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import training_option
from unlearn import losses
from unlearn.data.samples import Question
from unlearn.tensors.batches import (
    Batch,
    answer_positions,
    collate,
    collate_set,
    first,
    parts_by_length,
    take,
)
from unlearn.tensors.encoding import Encoded, Encoder
from unlearn.tensors.forward import ModelAnswers, Reader, Reference

IGNORED = losses.IGNORED
Collated = Callable[..., Batch]


def encoded(ids: list[int], answer: int, pixel: float = 0.0, **sample: Tensor) -> Encoded:
    """A question of the tokens ``ids``, of which the last ``answer`` are the answer."""
    tokens = torch.tensor(ids)
    labels = torch.tensor([IGNORED] * (len(ids) - answer) + ids[len(ids) - answer :])
    return Encoded(
        {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": labels},
        {"pixel_values": torch.full((1, 2), pixel)},
        sample,
    )


# By hand


def test_rows_are_padded_on_the_right_and_the_padding_is_masked_and_ignored() -> None:
    """7 is the padding, and also the last token of both answers: real ends stay."""
    batch = collate_set([[encoded([1, 2, 7], 2, 0.5)], [encoded([1, 3, 4, 5, 7], 3, 0.25)]], 7, False)
    assert batch["inputs"]["input_ids"].tolist() == [[1, 2, 7, 7, 7], [1, 3, 4, 5, 7]]
    assert batch["inputs"]["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["inputs"]["pixel_values"].tolist() == [[0.5, 0.5], [0.25, 0.25]]
    assert batch["labels"].tolist() == [[IGNORED, 2, 7, IGNORED, IGNORED], [IGNORED, IGNORED, 4, 5, 7]]
    assert batch["samples"][0, :3].tolist() == [0, 0, 0]
    assert batch["samples"][1].tolist() == [1] * 5
    assert int(batch["count"]) == 2
    assert answer_positions(batch).tolist() == [[True, True, False, False, False], [False, True, True, True, False]]


def test_questions_about_an_image_are_packed_behind_their_common_beginning() -> None:
    """Common are 1, 2; the rests are 3 8 9 and 4 5 8: the second goes back by the 3 tokens of the first."""
    batch = collate_set([[encoded([1, 2, 3, 8, 9], 2, 0.5), encoded([1, 2, 4, 5, 8], 1, 0.5)]], 0, True)
    assert batch["inputs"]["input_ids"].tolist() == [[1, 2, 3, 8, 9, 4, 5, 8]]
    assert batch["rewind"].tolist() == [[0, 0, 0, 0, 0, 3, 3, 3]]
    assert batch["inputs"]["attention_mask"].tolist() == [[1] * 8]
    assert batch["inputs"]["pixel_values"].tolist() == [[0.5, 0.5]]
    assert batch["segments"].tolist() == [[0, 0, 1, 1, 1, 2, 2, 2]]
    assert batch["samples"].tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, IGNORED, 8, 9, IGNORED, IGNORED, 8]]
    assert int(batch["count"]) == 2


def test_each_rest_keeps_the_token_from_which_its_answer_begins() -> None:
    """One prompt 1 2 3 with two answers: 3 stays out of the common beginning, since it predicts 8 here and 9 there."""
    batch = collate_set([[encoded([1, 2, 3, 8], 1), encoded([1, 2, 3, 9], 1)]], 0, True)
    assert batch["inputs"]["input_ids"].tolist() == [[1, 2, 3, 8, 3, 9]]
    assert batch["rewind"].tolist() == [[0, 0, 0, 0, 2, 2]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, IGNORED, 8, IGNORED, 9]]


def test_packs_of_different_sizes_are_padded_and_number_their_samples_on() -> None:
    units = [[encoded([1, 2, 8], 1), encoded([1, 3, 9], 1)], [encoded([4, 5, 6], 1)]]
    batch = collate_set(units, 0, True)
    assert batch["inputs"]["input_ids"].tolist() == [[1, 2, 8, 3, 9], [4, 5, 6, 0, 0]]
    assert batch["segments"].tolist() == [[0, 1, 1, 2, 2], [0, 1, 1, -1, -1]]
    assert batch["inputs"]["attention_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert batch["samples"][0].tolist() == [0, 0, 0, 1, 1]
    assert batch["samples"][1, :3].tolist() == [2, 2, 2]
    assert len(batch["inputs"]["pixel_values"]) == 2
    assert int(batch["count"]) == 3


def test_what_belongs_to_samples_and_to_answer_tokens_is_kept_in_order() -> None:
    def with_values(ids: list[int], answer: int, value: float, erased: list[int]) -> Encoded:
        return encoded(
            ids, answer, erased=torch.tensor(erased), reference_logp=torch.tensor([value]),
            reference_hidden=torch.full((answer, 2), value),
        )  # fmt: skip

    units = [[with_values([1, 2, 8], 2, 1.0, [5])], [with_values([1, 3, 4, 5], 1, 2.0, [6, 7])]]
    for packed in (False, True):
        batch = collate_set(units, 0, packed)
        assert batch["erased"].tolist() == [[5, -1], [6, 7]]
        assert batch["reference_logp"].tolist() == [1.0, 2.0]
        assert batch["reference_hidden"][:, 0].tolist() == [1.0, 1.0, 2.0]
    part = take(batch, [1])
    assert part["reference_hidden"][:, 0].tolist() == [2.0]
    assert part["reference_logp"].tolist() == [1.0, 2.0]  # samples keep their numbers
    assert part["samples"].unique().tolist() == [1]


def test_every_set_is_a_batch_of_its_own() -> None:
    one, two = encoded([1, 2], 1), encoded([1, 3, 4], 1)
    found = collate([{"forget": [one], "retain": [two]}, {"forget": [two], "retain": [two]}], 0)
    assert {name: batch["inputs"]["input_ids"].tolist() for name, batch in found.items()} == {
        "forget": [[1, 2, 0], [1, 3, 4]],
        "retain": [[1, 3, 4], [1, 3, 4]],
    }


def test_images_of_different_shapes_are_refused() -> None:
    other = encoded([1, 2], 1)._replace(image={"pixel_values": torch.zeros(1, 3)})
    with pytest.raises(BenchmarkError, match="pixel_values of shapes"):
        collate_set([[encoded([1, 2], 1)], [other]], 0, False)


@pytest.mark.parametrize("where", ["tokens", "image", "sample"])
@pytest.mark.parametrize("order", [1, -1])
def test_keys_that_one_sample_has_and_another_lacks_are_refused(where: str, order: int) -> None:
    """A key that is dropped in silence is how ``pixel_values`` never reached the model elsewhere."""
    plain = encoded([1, 2], 1)
    more = plain._replace(**{where: {**getattr(plain, where), "extra": torch.zeros(2)}})
    with pytest.raises(BenchmarkError, match="extra"):
        collate_set([[plain], [more]][::order], 0, False)


# Rows


def lengths(*values: int) -> Batch:
    mask = torch.tensor([[1] * n + [0] * (max(values) - n) for n in values])
    ours = {"labels": mask, "samples": mask, "count": torch.tensor(len(values)), "image_rows": {}}
    return {"inputs": {"attention_mask": mask, "input_ids": torch.arange(len(values))[:, None] * mask}, **ours}


def rows(parts: list[Batch]) -> list[list[int]]:
    return [part["inputs"]["input_ids"].amax(1).tolist() for part in parts]


def test_a_batch_is_split_where_that_saves_padding() -> None:
    """Lengths 3, 9, 3, 9: 36 tokens whole, 2 * 3 + 2 * 9 = 24 in two. Lengths 8, 9: 18 and 17, too little to gain."""
    assert rows(parts_by_length(lengths(3, 9, 3, 9))) == [[0, 2], [1, 3]]
    assert rows(parts_by_length(lengths(8, 9))) == [[0, 1]]
    assert rows(parts_by_length(lengths(9))) == [[0]]


def test_a_large_batch_is_split_where_the_padding_saved_is_worth_a_pass() -> None:
    """Lengths 600, 600, 632, 632: 2,528 tokens whole and 2,464 in two, 64 fewer. Of 600, 600, 631, 631, only 62."""
    assert rows(parts_by_length(lengths(600, 632, 600, 632))) == [[0, 2], [1, 3]]
    assert rows(parts_by_length(lengths(600, 631, 600, 631))) == [[0, 1, 2, 3]]


def with_rows(length: int, images: dict[str, Tensor], **tokens: Tensor) -> Encoded:
    """A question of ``length`` tokens, all of them its answer but the first."""
    ids = torch.arange(1, length + 1)
    plain = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.where(ids > 1, IGNORED)}
    return Encoded({**plain, **tokens}, images, {})


def patches(*values: float) -> dict[str, Tensor]:
    """An image of as many flat patches as there are values, and its grid."""
    return {
        "pixel_values": torch.tensor([[value, -value] for value in values]),
        "image_grid_thw": torch.tensor([[1, 1, len(values)]]),
    }


def test_flat_patches_go_with_their_rows() -> None:
    """Images of two, one and three patches in one list: rows 0 and 2 own patches 0, 1, 3, 4, 5 and grids 0 and 2."""
    samples = [with_rows(3, patches(1, 2)), with_rows(9, patches(3)), with_rows(3, patches(4, 5, 6))]
    batch = collate_set([[sample] for sample in samples], 0, share_prefix=False)
    assert batch["inputs"]["pixel_values"][:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert batch["image_rows"]["pixel_values"].tolist() == [2, 1, 3]
    assert batch["image_rows"]["image_grid_thw"].tolist() == [1, 1, 1]
    short, long = parts_by_length(batch)
    assert short["inputs"]["pixel_values"][:, 0].tolist() == [1, 2, 4, 5, 6]
    assert short["inputs"]["image_grid_thw"].tolist() == [[1, 1, 2], [1, 1, 3]]
    assert short["image_rows"]["pixel_values"].tolist() == [2, 3]
    assert long["inputs"]["pixel_values"][:, 0].tolist() == [3]
    assert first(batch, 2, 3)["inputs"]["pixel_values"][:, 0].tolist() == [1, 2, 3]


def test_questions_without_an_image_are_read_apart_from_the_others() -> None:
    """What a processor says of the tokens beside an image alone is 0 where there is none."""
    kinds = torch.tensor([[1, 1], [1, 1], [0, 1], [1, 1]])  # (tokens, ...)
    samples = [with_rows(4, {}), with_rows(4, patches(1, 2), kinds=kinds), with_rows(5, {})]
    batch = collate_set([[sample] for sample in samples], 0, share_prefix=False)
    assert batch["inputs"]["kinds"][1, :4].tolist() == kinds.tolist()
    assert not batch["inputs"]["kinds"][[0, 2]].any()
    assert batch["image_rows"]["pixel_values"].tolist() == [0, 2, 0]
    texts, pictures = parts_by_length(batch)
    assert texts["inputs"].keys() == {"input_ids", "attention_mask", "kinds"}
    assert texts["samples"][:, 0].tolist() == [0, 2]
    assert pictures["inputs"]["pixel_values"][:, 0].tolist() == [1, 2]
    assert pictures["samples"][:, 0].tolist() == [1]


def test_pictures_of_different_sizes_are_filled_up_where_the_family_says_how_much_of_them_is_real() -> None:
    """A picture of one row and three columns beside one of two and two: zeros below, and to the right.

    Phi-4-multimodal's mask of patches gets ones there, as its processor fills it.
    """
    one = {"pixel_values": torch.ones(1, 1, 3), "image_sizes": torch.tensor([[1, 3]])}
    two = {"pixel_values": torch.ones(1, 2, 2), "image_sizes": torch.tensor([[2, 2]])}
    for number, image in enumerate((one, two)):
        image["image_attention_mask"] = torch.ones(1, number + 1, 1)
    batch = collate_set([[with_rows(2, one)], [with_rows(2, two)]], 0, share_prefix=False)
    assert batch["inputs"]["pixel_values"].tolist() == [[[1, 1, 1], [0, 0, 0]], [[1, 1, 0], [1, 1, 0]]]
    assert batch["inputs"]["image_attention_mask"].tolist() == [[[1], [1]], [[1], [1]]]


def test_taking_rows_cuts_only_padding(collated: Collated, questions: list[Question]) -> None:
    batch = collated([[question] for question in questions[::5][:6]])
    short, _ = parts_by_length(batch)
    kept = short["samples"][:, 0].tolist()
    assert short["inputs"]["input_ids"].shape[1] == int(batch["inputs"]["attention_mask"].sum(1)[kept].max())
    assert torch.equal(short["inputs"]["pixel_values"], batch["inputs"]["pixel_values"][kept])
    width = short["labels"].shape[1]
    assert torch.equal(short["labels"], batch["labels"][kept, :width])
    assert (batch["labels"][kept, width:] == IGNORED).all()


def test_the_first_units_of_a_batch_are_the_batch_of_the_first_units(
    collated: Collated, questions: list[Question]
) -> None:
    units = [[questions[0], questions[4]], [questions[1], questions[6]], [questions[8], questions[12]]]
    for packed in (False, True):
        found, expected = first(collated(units, packed), 2, 3), collated(units[:2], packed)
        assert int(found["count"]) == int(expected["count"]) == 4
        assert found["inputs"].keys() == expected["inputs"].keys()
        for key, value in expected["inputs"].items():
            assert torch.equal(found["inputs"][key], value), key
        assert torch.equal(found["labels"], expected["labels"])


def test_a_batch_keeps_every_key_of_the_processor(
    collated: Collated, encoder: Encoder, questions: list[Question]
) -> None:
    chosen = questions[:5]
    inputs = collated([[question] for question in chosen])["inputs"]
    assert inputs.keys() == {"input_ids", "attention_mask", "pixel_values"}
    for row, question in enumerate(chosen):
        assert torch.equal(inputs["pixel_values"][row], encoder(question).image["pixel_values"][0])


# The shared prefix


@pytest.fixture(scope="module")
def units(questions: list[Question]) -> list[list[Question]]:
    """Packs of one, two, four and eight questions, short and long, and one of yes/no questions."""
    world = [question for question in questions if question.answer in ("Yes", "No")]
    assert world[0].image == world[1].image
    return [[questions[4]], [questions[8], questions[13]], questions[16:24], world[:2], questions[26:30]]


@pytest.mark.parametrize(
    ("attention", "asked", "checkpointing"),
    [
        *product(("eager", "sdpa"), ("nll", "logp", "kl", "activations"), (False,)),
        ("sdpa", "logp", True),
        ("eager", "kl", True),
        ("sdpa", "activations", True),
    ],
)
def test_packed_questions_give_the_losses_and_all_gradients_of_separate_ones(
    model: LlavaForConditionalGeneration, collated: Collated, units: list[list[Question]],
    second_model: Callable[..., Reference], attention: str, checkpointing: bool, asked: str,
) -> None:  # fmt: skip
    model.set_attn_implementation(attention)
    reference = second_model(model)
    with torch.no_grad():  # away from the reference, where the gradient of KL is 0
        for parameter in model.parameters():
            parameter.mul_(1.1)
    if checkpointing:
        getattr(model, training_option("activation_checkpointing_enable", dir(model)))()
    model.train()
    outcomes = []
    for packed in (False, True):
        batch = collated(units, packed)
        assert len(batch["labels"]) == (len(units) if packed else sum(map(len, units)))
        answers = ModelAnswers(Reader(model, model), batch, reference)
        values = answers.activations(1) if asked == "activations" else getattr(answers, asked)()
        weights = torch.linspace(0.5, 1.5, values.numel()).view_as(values)  # no sample like another
        (values * weights).sum().backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        outcomes.append((values.detach(), gradients))
        model.zero_grad()
    (separate, expected), (packed_values, found) = outcomes
    torch.testing.assert_close(packed_values, separate, rtol=2e-5, atol=2e-6)
    assert found.keys() == expected.keys()
    assert any("vision_tower" in name for name in found)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6 * max(1.0, largest), msg=name)


def test_a_packed_question_does_not_see_the_others(
    model: LlavaForConditionalGeneration, collated: Collated, questions: list[Question]
) -> None:
    one, two, other = questions[16], questions[17], questions[21]
    found = [
        ModelAnswers(Reader(model, model), collated([[one, second]], True)).logp()[0].item() for second in (two, other)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)
