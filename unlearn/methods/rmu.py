"""RMU: turn the forget set's activations at one layer to a random direction, keep the retain set's (arXiv 2403.03218).

    loss = mean |h(D^f) - steering * u|^2 + retain_weight * mean |h(D^r) - h_ref(D^r)|^2

h are the outputs of decoder layer ``layer`` where answer tokens are predicted, u a fixed unit vector of uniform draws;
the means run over answer tokens and the hidden size, as in the authors' code (their formula sums over the hidden
size). They read every position of plain text and train three layers' MLPs only; which weights are trained is the
common setting here.
"""

from unlearn.answers import Answers, Terms


def rmu(
    forget: Answers,
    retain: Answers,
    *,
    layer: int = 7,
    steering: float = 6.5,
    retain_weight: float = 1200.0,
    direction_seed: int = 0,
) -> Terms:
    """``layer`` counts from 0. 7, 6.5 and 1200 are the authors' for a 7B model of 32 layers (Zephyr); the seed is ours.

    ``steering`` has to fit the size of the model's activations; open-unlearning's defaults are 300 and 1000.
    """
    from unlearn import losses

    activations = forget.activations(layer)  # (answer tokens, hidden)
    direction = losses.random_direction(activations.shape[-1], direction_seed).to(activations.device)  # (hidden,)
    yield "forget", forget.token_mean(losses.squared_distance(activations, steering * direction))
    if retain_weight:
        kept = losses.squared_distance(retain.activations(layer), retain.reference_activations(layer))
        yield "retain", retain_weight * retain.token_mean(kept)
