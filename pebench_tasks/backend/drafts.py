"""Guesses of how an answer goes on, from the answers that were given before.

The same person is asked about in many scenes and the same scene with many people, so answers recur word for word. A
model can check a guess of several tokens in one pass: those it would have chosen itself are kept, the first other one
is replaced by its own choice. So the answer is the model's, token by token; only the number of passes changes.
(Speculative decoding, arXiv 2211.17192, with earlier answers in the place of a smaller model.)
"""

from collections.abc import Sequence

CONTEXT = 3  # tokens that must be the same for an earlier answer to be followed
LONGEST = 16  # tokens guessed at once
KEPT = 200_000  # places in answers; some 40 MB
START = -1  # stands before the first token


class Drafts:
    """Answers given so far, by every few tokens in a row in them."""

    def __init__(self) -> None:
        self._after: dict[tuple[int, ...], tuple[Sequence[int], int]] = {}  # context -> an answer, a place in it
        self.length = 8  # tokens guessed at once; follows how often the guesses are right

    def learn(self, answer: Sequence[int]) -> None:
        """Remember an answer; where it goes on otherwise than an earlier one, the later one counts."""
        if len(self._after) > KEPT:
            self._after.clear()
        context = (START,) * CONTEXT
        for place, token in enumerate(answer):
            if place:
                self._after[context] = (answer, place)
            context = (*context[1:], token)

    def guess(self, begun: Sequence[int], most: int) -> list[int]:
        """How an answer that has begun may go on: at most ``most`` tokens, none where no earlier one was alike."""
        context = (*(START,) * max(0, CONTEXT - len(begun)), *begun[-CONTEXT:])
        found = self._after.get(context)
        if found is None:
            return []
        answer, place = found
        return list(answer[place : place + min(most, self.length)])

    def check(self, right: int, guessed: int) -> None:
        """So many of the tokens guessed for a pass were right."""
        if 2 * right >= guessed:
            self.length = min(LONGEST, 2 * self.length)
        elif 4 * right < guessed:
            self.length = max(1, self.length // 2)
