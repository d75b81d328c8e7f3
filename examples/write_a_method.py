"""A method of your own, without a change to the package: gradient difference whose ascent stops at a ceiling.

    python examples/write_a_method.py --model runs/demo/finetuned --data runs/demo/data --target person --forget 20 \
        --config tiny/gd_person --ceiling 4 --output_dir runs/mine/bounded

    loss = -min(NLL(D^f), ceiling) + retain_weight * NLL(D^r)
"""

import sys

from unlearn.__main__ import main
from unlearn.answers import Answers, Terms
from unlearn.methods import METHODS


def bounded(
    forget: Answers,
    retain: Answers,
    *,
    ceiling: float = 5.0,
    retain_weight: float = 1.0,
) -> Terms:
    """``ceiling``: the nats a token at which an answer is pushed no further."""
    yield "forget", -forget.nll_each().clamp(max=ceiling).mean()
    if retain_weight:
        yield "retain", retain_weight * retain.nll()


METHODS["bounded"] = bounded  # from here on the command knows it, and its hyper-parameters

if __name__ == "__main__":
    sys.exit(main(["--method", "bounded", *sys.argv[1:]]))
