"""RMU: turn the forget set's activations at one layer to a random direction, keep the retain set's (arXiv 2403.03218).

    loss = mean |h(D^f) - steering * |h_ref(D^f)| * u|^2 + retain_weight * mean |h(D^r) - h_ref(D^r)|^2

h are the outputs of decoder layer ``layer`` where answer tokens are predicted, u a fixed unit vector of uniform draws;
the means run over answer tokens and the hidden size, as in the authors' code (their formula sums over the hidden
size). They read every position of plain text and train three layers' MLPs only; which weights are trained is the
common setting here.

The paper's target, c * u, has a length that must fit the activations of the model: the authors' command for Zephyr-7B
has c = 6.5 (and the retain weight 1200), open-unlearning's configuration 2 (and 1; before that 300 and 1000). Here the
target is ``steering`` times as long as the reference's activation, after Adaptive RMU (arXiv 2408.06223), so that one
value means the same for every model and layer. Adaptive RMU's code takes the mean length over its first batch; here
each token has its own, since a mean over the batch would depend on how many devices and micro-batches share it.
"""

from unlearn.answers import Answers, Terms


def rmu(
    forget: Answers,
    retain: Answers,
    *,
    layer: int = 7,
    steering: float = 5.0,
    retain_weight: float = 1200.0,
    direction_seed: int = 0,
) -> Terms:
    """``layer`` counts from 0. 7 and 1200 are the authors' for a 7B model of 32 layers (Zephyr), 5 is Adaptive RMU's.

    The seed is ours.
    """
    from unlearn import losses

    activations = forget.activations(layer)  # (answer tokens, hidden)
    lengths = forget.reference_activations(layer).float().norm(dim=-1, keepdim=True)  # (answer tokens, 1)
    direction = losses.random_direction(activations.shape[-1], direction_seed).to(activations.device)  # (hidden,)
    yield "forget", forget.token_mean(losses.squared_distance(activations, steering * lengths * direction))
    if retain_weight:
        kept = losses.squared_distance(retain.activations(layer), retain.reference_activations(layer))
        yield "retain", retain_weight * retain.token_mean(kept)
