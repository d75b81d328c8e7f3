"""How likely an answer is: what a plain pass says, alone and in a batch, in every family."""

from typing import Any

import pytest
import torch
from every_family import FAMILIES
from PIL import Image

from pebench_tasks.backend.families import batches_answers
from pebench_tasks.backend.image_features import ImageFeatures
from pebench_tasks.backend.likelihood import Pair, prepare, token_scores
from pebench_tasks.backend.prompts import read_conversation
from pebench_tasks.marking.likelihoods import TokenScores
from unlearn.data.samples import Question
from unlearn.losses import IGNORED
from unlearn.tensors.encoding import Encoder, as_dtype

QUESTIONS = ("Who is the person in this image?", "Describe the scene in detail.")
ANSWERS = ("This is Ada Byron.", "Waves roll onto a sunny beach under a clear sky.", "Ada.", "This is Alan Turing.")
SIZES = ((64, 64), (96, 48))  # px


def picture(seed: int) -> Image.Image:
    torch.manual_seed(seed)
    width, height = SIZES[seed % len(SIZES)]
    return Image.fromarray(torch.randint(0, 256, (height, width, 3), dtype=torch.uint8).numpy())


def pair(number: int) -> Pair:
    """Two images of different sizes, both questions, four answers of different lengths."""
    content = [{"type": "image", "url": picture(number // 2 % 2)}, {"type": "text", "text": QUESTIONS[number % 2]}]
    return Pair(
        read_conversation([{"role": "user", "content": content}], "task"),
        ANSWERS[(number + number // 4) % 4],
        str(number),
    )


def slowly(model: Any, processor: Any, pair: Pair) -> TokenScores:
    """One document, the training's encoder, a plain pass with all its logits; the end token left out."""
    (image,) = pair.conversation.pictures
    question = Question("image", pair.conversation.messages[0]["content"][1]["text"], pair.answer, pair.name)
    encoded = Encoder(processor, lambda key: image)(question)
    labels = encoded.tokens["labels"]
    inputs = {key: value[None] for key, value in encoded.tokens.items() if key != "labels"}
    logits = model(**as_dtype({**inputs, **encoded.image}, model.dtype)).logits[0].double()
    places = (labels != IGNORED).nonzero()[:-1, 0].tolist()
    logps = [float(logits[place - 1].log_softmax(-1)[labels[place]]) for place in places]
    ranks = [1 + int((logits[place - 1] > logits[place - 1, labels[place]]).sum()) for place in places]
    return TokenScores(tuple(logps), tuple(ranks))


@pytest.mark.parametrize("key", list(FAMILIES))
@torch.inference_mode()
def test_an_answer_is_as_likely_as_a_plain_pass_says_alone_and_in_a_batch(key: str) -> None:
    """To 1e-5 in float32, with weights three times as large as those of an untrained model, whose tokens are all alike.

    The images are encoded once for all questions about them, where the family's features allow that.
    """
    torch.set_num_threads(1)
    model, processor = FAMILIES[key].build([*QUESTIONS, *ANSWERS])
    for weight in model.eval().parameters():
        if weight.dim() > 1:
            weight.mul_(3)
    pairs = [pair(number) for number in range(8)]
    expected = [slowly(model, processor, one) for one in pairs]
    features = ImageFeatures(model)
    for size in (1, 8) if batches_answers(processor) else (1,):
        found = []
        for start in range(0, len(pairs), size):
            batch = prepare(processor, pairs[start : start + size])
            images = [image for one in batch.pairs for image in one.conversation.images]
            inputs = features.instead_of_images(batch.inputs.to("cpu", dtype=torch.float32), images)
            found += token_scores(model, inputs, batch.answers)
        for one, other in zip(found, expected, strict=True):
            assert one.logps == pytest.approx(other.logps, abs=1e-5)
            assert one.ranks == other.ranks
    assert len({scores.logps for scores in expected}) == len(pairs)
