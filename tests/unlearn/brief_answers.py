"""Untrained models whose answers are short."""

from typing import Any

import torch


def answer_in_one_word(model: Any, tokenizer: Any) -> None:
    """Let an untrained model end its answers at once, which would be long otherwise, and take minutes to score.

    The first figure of what it reads decides: it says that the answer ends, but not behind the last token of a prompt.
    """
    with torch.no_grad():
        embeddings = model.get_input_embeddings().weight
        embeddings[:, 0] = model.model.multi_modal_projector.linear_2.bias[0] = 20.0
        embeddings[tokenizer("ASSISTANT:")["input_ids"][-1], 0] = -20.0
        model.get_output_embeddings().weight[tokenizer.eos_token_id, 0] = 5.0
