"""How likely a model finds a given answer: one teacher-forced pass, token by token.

The model reads a question with its answer behind it, as in training (``answers``), and says of every token of the
answer how likely it was. Only the positions that predict one of them reach the language-model head, whose output is
the largest tensor of a pass. The end token is left out: it says nothing of what the answer says.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from lmms_eval.api.instance import Instance
from torch import Tensor, nn
from transformers import ProcessorMixin

from pebench_tasks.backend import families
from pebench_tasks.backend.answers import AnswerText, write_answer
from pebench_tasks.backend.prompts import Conversation, Documents, read_conversation
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.likelihoods import TokenScores

AT_ONCE = 512  # positions: the log-probabilities of so many are in memory beside the logits, in float32


class Pair(NamedTuple):
    """A conversation and the answer to it that is to be scored."""

    conversation: Conversation
    answer: str
    name: str  # of the document, for errors

    @property
    def key(self) -> tuple[bytes, str]:
        """All that decides how likely the answer is."""
        return self.conversation.digest, self.answer


class LogLikelihood(tuple[float, bool]):
    """What the harness expects of an answer, a pair; ``scores`` has what it is made of."""

    scores: TokenScores

    def __new__(cls, value: float, scores: TokenScores) -> "LogLikelihood":
        """The pair of ``value`` and whether greedy decoding writes the answer."""
        made = super().__new__(cls, (value, scores.greedy))
        made.scores = scores
        return made

    def __getnewargs__(self) -> tuple[float, TokenScores]:
        """For the harness's other processes, which send it to the first one."""
        return self[0], self.scores


class AnsweredBatch(NamedTuple):
    """Pairs that are scored together."""

    pairs: list[Pair]
    inputs: Any  # a BatchFeature on the CPU, padded on the right
    answers: Tensor  # (rows, tokens), where an answer's tokens stand


def read_pair(request: Instance, documents: Documents) -> Pair:
    """The pair of one of the harness's requests of type ``loglikelihood``, its images read.

    The context is one user's turn behind the images, as ``generate_until`` asks it. The space that the harness puts
    between context and answer goes: what stands there is up to the chat template. Raises ``BenchmarkError`` for an
    empty answer.
    """
    context, target, doc_to_visual, doc_id, task, split = request.args
    document = documents[task][split][doc_id]
    answer = str(target if isinstance(target, str) else target(document)).strip()
    if not answer:
        raise BenchmarkError(f"{task}: an answer to document {doc_id} is empty, so nothing can be scored.")
    images = [{"type": "image", "url": image} for image in (doc_to_visual(document) or ()) if image is not None]
    messages = [{"role": "user", "content": [*images, {"type": "text", "text": context}]}]
    return Pair(read_conversation(messages, task), answer, f"{task}, document {doc_id}")


def refuse_without_question(requests: Sequence[Instance]) -> None:
    """Raise ``BenchmarkError`` for requests that name no document: ``acc_mutual_info`` asks for answers to nothing."""
    for request in requests:
        if len(request.args) < 6:
            raise BenchmarkError(
                f"{request.task_name} asks how likely an answer is without a question (acc_mutual_info). pebench_hf "
                "does not tell: a chat model answers questions. Leave that metric out."
            )


def harness_result(request: Instance, scores: TokenScores) -> LogLikelihood:
    """What the harness expects for a request.

    It defines the log-probability (``lmms.loglikelihood``). Of the choices of a ``multiple_choice`` task it then takes
    the smallest value, "since we return the actual loss in many model loglikelihood": these get the loss, summed over
    the tokens as the other one is. A choice is a text in the request, a target the function that makes it.
    """
    total = sum(scores.logps)
    return LogLikelihood(-total if isinstance(request.args[1], str) else total, scores)


def prepare(processor: ProcessorMixin, pairs: list[Pair]) -> AnsweredBatch:
    """What a model reads of some pairs; raises ``BenchmarkError`` for an answer of no token of its own."""
    texts = [write_answer(processor, pair.conversation.messages, pair.answer, pair.name) for pair in pairs]
    images = [pair.conversation.pictures for pair in pairs]
    inputs = families.answered_inputs(
        processor, [text.prompt for text in texts], [text.whole for text in texts], images
    )
    labels = inputs.pop("labels", None)
    answers = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    lengths = inputs["attention_mask"].sum(dim=1).tolist()
    for row, (text, pair, length) in enumerate(zip(texts, pairs, lengths, strict=True)):
        # Families with labels of their own write the end token themselves, and nothing before it.
        own = None if labels is None else int((labels[row] != families.IGNORED).sum())
        tokens, ends = _lengths(processor, text) if own is None else (own - 1, 1)
        if tokens < 1:
            raise BenchmarkError(f"The answer {pair.answer!r} ({pair.name}) takes no token of its own.")
        answers[row, length - ends - tokens : length - ends] = True
    return AnsweredBatch(pairs, inputs, answers)


def _lengths(processor: Any, text: AnswerText) -> tuple[int, int]:
    """How many tokens an answer takes, and how many what ends it.

    The tokenizer alone tells: however many tokens a processor makes of an image, they stand before the answer.
    """
    prompt, answered, whole = (
        processor.tokenizer(part, add_special_tokens=False)["input_ids"]
        for part in (text.prompt, text.answered, text.whole)
    )
    stop = _common_prefix(answered, whole)
    return stop - _common_prefix(prompt, whole), len(whole) - stop


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def token_scores(model: Any, inputs: Mapping[str, Any], answers: Tensor) -> list[TokenScores]:
    """The scores of a batch's answers; ``inputs`` and ``answers`` ``(rows, tokens)`` are on the model's device."""
    predicts = answers.roll(-1, dims=1)  # no answer stands at the first place
    with head_reads(model.get_output_embeddings(), predicts, []):
        logits = model(**inputs, use_cache=False).logits[0]  # (answer tokens, vocabulary)
    logps, ranks = [], []
    for part, target in zip(logits.split(AT_ONCE), inputs["input_ids"][answers].split(AT_ONCE), strict=True):
        told = part.float().log_softmax(dim=-1)
        true = told.gather(-1, target[:, None])  # (tokens, 1)
        logps.append(true[:, 0])
        ranks.append(1 + (told > true).sum(dim=-1))
    counts = answers.sum(dim=1).tolist()
    found = (torch.cat(logps), torch.cat(ranks), inputs["input_ids"][answers])
    rows = zip(*(values.cpu().split(counts) for values in found), strict=True)
    return [TokenScores(*(tuple(values.tolist()) for values in row)) for row in rows]


@contextmanager
def head_reads(head: nn.Module, positions: Tensor, seen: list[Tensor]) -> Iterator[None]:
    """Let the head read these positions ``(rows, tokens)`` only: ``(N, hidden)``, added to ``seen``.

    A hook picks them out of its input, which serves every family, whatever its ``forward`` is called with.
    """

    def select(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        seen.append(inputs[0][positions])
        return (seen[-1][None],)

    handle = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()
