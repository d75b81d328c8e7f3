import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pebench_tasks.backend import families
from pebench_tasks.backend.drafts import Drafts
from pebench_tasks.backend.generation import Answer, answer

QUESTIONS = ("Who is the person?", "Describe the scene in detail.", "Is there a dog?", "What?", "Where is this?")
TOKENS = 24


class Asked:
    """A model, a batch of prompts of several lengths, and the passes that answering them took."""

    def __init__(self, checkpoint: Path) -> None:
        self.model = families.load_model(str(checkpoint), torch.float32).eval()
        self.processor = families.load_processor(str(checkpoint))
        self.prompts = [self._prompt(i) for i in range(16)]
        self.passes: list[tuple[int, int]] = []  # rows, tokens
        self.model.register_forward_pre_hook(
            lambda _, __, inputs: self.passes.append(tuple(inputs["input_ids"].shape)), with_kwargs=True
        )

    def _prompt(self, i: int) -> list[dict[str, Any]]:
        torch.manual_seed(i)
        image = Image.fromarray(torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8).numpy())
        question = {"type": "text", "text": QUESTIONS[i % len(QUESTIONS)]}
        return [{"role": "user", "content": [{"type": "image", "image": image}, question]}]

    def __call__(self, rows: Sequence[int], drafts: Drafts | None = None, **options: Any) -> list[Answer | None]:
        self.passes.clear()
        inputs = families.generation_inputs(self.processor, [self.prompts[row] for row in rows])
        settings = {"max_new_tokens": TOKENS, **options.pop("settings", {})}
        with torch.inference_mode():
            return [*answer(self.model, self.processor.tokenizer, inputs, settings, drafts, **options)]


@pytest.fixture(scope="module")
def loaded(llava: Path) -> Asked:
    return Asked(llava)


@pytest.fixture
def ask(loaded: Asked, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """An untrained model never ends its answers; here each row has an end of its own, another token a row."""
    inputs = families.generation_inputs(loaded.processor, loaded.prompts)
    tokens = loaded.model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    ends = [int(tokens[row, 4 + row]) for row in range(15)]
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", ends)
    return loaded


ALL = range(16)


def test_the_answers_are_those_of_transformers_alone_and_together(ask: Asked) -> None:
    together = ask(ALL, own_loop=False)
    assert ask(ALL) == together
    assert [ask([row])[0] for row in ALL] == together
    assert len({found.tokens for found in together if found}) > 2  # answers of several lengths


def test_rows_that_ended_are_no_longer_computed(ask: Asked) -> None:
    lengths = [found.tokens for found in ask(ALL) if found]
    computed = sum(rows for rows, _ in ask.passes)
    ask(ALL, own_loop=False)
    stock = sum(rows for rows, _ in ask.passes)
    assert sum(lengths) <= computed < stock
    assert ask.passes[-1][0] == 16


def test_answers_that_recur_take_few_passes_and_are_the_same(ask: Asked) -> None:
    drafts = Drafts()
    first = ask(ALL, drafts)
    before = len(ask.passes)
    assert ask(ALL, drafts) == first == ask(ALL, own_loop=False)
    ask(ALL, drafts)
    assert len(ask.passes) < before / 2


class Known(Drafts):
    """Guesses made from the true answers by ``spoil``."""

    def __init__(self, answers: Sequence[Sequence[int]], spoil: Callable[[list[int]], list[int]]) -> None:
        super().__init__()
        self.answers, self.spoil = answers, spoil

    def guess(self, begun: Sequence[int], most: int) -> list[int]:
        for one in self.answers:
            if list(one[: len(begun)]) == list(begun):
                return self.spoil(list(one[len(begun) : len(begun) + min(most, 5)]))
        return []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda guess: guess,
        lambda guess: [guess[0], *[token + 1 for token in guess[1:]]] if guess else [],
        lambda guess: [token + 1 for token in guess],
        lambda guess: [*guess[:3], 5, *guess[3:]],
        lambda guess: guess[: guess[0] % 4] if guess else [],
    ],
    ids=["right", "right once", "wrong", "wrong in the middle", "some rows none"],
)
def test_wrong_guesses_change_no_answer(ask: Asked, spoil: Callable[[list[int]], list[int]]) -> None:
    inputs = families.generation_inputs(ask.processor, ask.prompts)
    whole = ask.model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    expected = ask(ALL, own_loop=False)
    assert ask(ALL, Known(whole.tolist(), spoil)) == expected
    assert ask([3], Known(whole.tolist(), spoil)) == [expected[3]]  # one row: no padding, so no mask at first


def test_the_last_few_rows_may_be_left_and_are_quick_the_next_time(ask: Asked) -> None:
    drafts = Drafts()
    whole = ask(ALL, own_loop=False)
    found = ask(ALL, drafts, leave_few=True)
    left = [row for row in ALL if found[row] is None]
    assert 1 <= len(left) <= 2  # an eighth of the rows
    assert [found[row] for row in ALL if row not in left] == [whole[row] for row in ALL if row not in left]
    assert ask(left, drafts) == [whole[row] for row in left]


def test_stop_strings_end_an_answer_early(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask.model.generation_config, "eos_token_id", [ask.processor.tokenizer.eos_token_id])
    (whole,) = ask([0])
    assert whole is not None
    stop = whole.text[4:6]
    (cut,) = ask([0], settings={"until": ["never", stop]})
    assert cut is not None
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.tokens < whole.tokens
    assert len(ask.passes) < TOKENS


def test_penalties_of_the_checkpoint_are_honoured(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ask(ALL)
    monkeypatch.setattr(ask.model.generation_config, "repetition_penalty", 1.5)
    penalised = [ask([row], own_loop=False)[0] for row in ALL]
    assert penalised != plain
    assert ask(ALL, Drafts()) == penalised


def test_padding_is_never_penalised(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is a token that answers want: together as alone."""
    short = families.generation_inputs(ask.processor, [ask.prompts[3]])
    monkeypatch.setattr(ask.model.generation_config, "repetition_penalty", 1.3)
    wanted = int(ask.model.generate(**short, max_new_tokens=1, do_sample=False)[0, -1])
    tokenizer = copy.deepcopy(ask.processor.tokenizer)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(wanted)
    monkeypatch.setattr(ask.processor, "tokenizer", tokenizer)
    alone = [ask([row])[0] for row in range(8)]
    assert ask(range(8)) == alone


def test_an_answer_is_learned_once(ask: Asked) -> None:
    class Counted(Drafts):
        learned = 0

        def learn(self, answer: Sequence[int]) -> None:
            self.learned += 1
            super().learn(answer)

    drafts = Counted()
    ask(ALL, drafts)
    assert drafts.learned == len(ALL)
