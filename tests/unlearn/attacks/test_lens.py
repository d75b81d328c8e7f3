from typing import Any

import pytest
import torch
from torch import nn

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn.attacks.lens import ranks
from unlearn.data.samples import Question, SampleSet, singles
from unlearn.data.sets import everything
from unlearn.losses import IGNORED
from unlearn.tensors.batches import collate_set
from unlearn.tensors.encoding import Encoder, pad_id


@pytest.fixture(scope="module")
def questions(benchmark: Benchmark) -> list[Question]:
    """Names and scenes in turn; of an answer that names somebody, the name is what is asked for."""
    drawn = [
        question for place in range(4) for question in SampleSet(singles(everything(benchmark)[:4])).at(place, "0")
    ]
    names = [row["name"] for row in benchmark.people]
    said = [next((name for name in names if name in question.answer), "") for question in drawn]
    assert any(said)
    assert not all(said)
    return [question._replace(contradicts=name) for question, name in zip(drawn, said, strict=True)]


def slow_ranks(model: Any, question: Question, encoder: Encoder) -> list[int]:
    """One question alone: every hidden state through norm and head, and all words sorted."""
    encoded = encoder(question)
    ids, labels = encoded.tokens["input_ids"], encoded.tokens["labels"]
    wanted = encoded.tokens.get("kept", torch.ones_like(labels)) == 0
    wanted = wanted & (labels != IGNORED) if question.contradicts else labels != IGNORED
    place = int(wanted.nonzero()[0])
    inputs = {k: v[None] for k, v in encoded.tokens.items() if k in ("input_ids", "attention_mask")} | encoded.image
    decoder = model.get_decoder()
    with torch.no_grad():
        states = list(model(**inputs, output_hidden_states=True).hidden_states[1:])
        found = []
        for layer, state in enumerate(states):
            normed = state if layer == len(states) - 1 else decoder.norm(state)  # the last one stands behind the norm
            order = model.lm_head(normed)[0, place - 1].argsort(descending=True).tolist()
            found.append(order.index(int(ids[place])))
    return found


def test_ranks_equal_those_of_each_question_alone(tiny: Any, encoder: Encoder, questions: list[Question]) -> None:
    model = tiny[0].eval()
    names, scenes = ([q for q in questions if bool(q.contradicts) == named] for named in (True, False))
    padding = pad_id(encoder.processor)
    found = []
    for asked in (names, scenes):
        found += ranks(model, collate_set([[encoder(q)] for q in asked], padding, share_prefix=False))
    assert found == [slow_ranks(model, question, encoder) for question in (*names, *scenes)]
    assert len({tuple(row) for row in found}) > 1


def test_a_decoder_without_a_known_norm_is_refused(tiny: Any, encoder: Encoder, questions: list[Question]) -> None:
    decoder = tiny[0].get_decoder()
    norm, decoder.norm = decoder.norm, None
    decoder.last = nn.Identity()
    batch = collate_set([[encoder(questions[0])]], pad_id(encoder.processor), share_prefix=False)
    try:
        with pytest.raises(BenchmarkError, match="no final norm"):
            ranks(tiny[0], batch)
    finally:
        decoder.norm = norm
        del decoder.last
