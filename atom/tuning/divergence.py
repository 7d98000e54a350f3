"""Stops a tuning that diverges, before it uses up its time.

The limits are far from what healthy tunings of the built-in model reach. In about fifty of them, with all objectives,
the largest gradient norm was 13 times the median and the model drifted by less than 0.2 nats a token. IPO of averaged
log-probabilities at too high a learning rate drifted by 1.2 to 2.6, and its motions were broken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

from atom.errors import AtomError

WINDOW = 10  # steps in the mean or median
MAX_NORM_GROWTH = 100.0  # of the median gradient norm, from the first window to the last


def check_finite(step: int, steps: int, loss: float, gradient_norm: float, hint: str) -> None:
    """Checks that a step has a finite loss and gradient.

    Args:
        step: counted from 1.
        steps: of the whole training.
        loss: of the step.
        gradient_norm: of the step, before clipping.
        hint: what to change, for the error message.

    Raises:
        AtomError: one of the two is infinite or NaN.
    """
    if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
        raise AtomError(
            f"tuning failed at step {step} of {steps}: loss {loss:g}, gradient norm {gradient_norm:g}; {hint}"
        )


def check_divergence(
    step: int,
    first_drift: Sequence[float],
    last_drift: Sequence[float],
    first_norms: Sequence[float],
    last_norms: Sequence[float],
    max_drift: float,
    hint: str,
) -> None:
    """Checks that the model has not drifted too far from its initial weights and that its gradients don't explode.

    Nothing is checked while the first and the last window overlap.

    Args:
        step: counted from 1.
        first_drift: drift in the first `WINDOW` steps, in nats a token.
        last_drift: drift in the last `WINDOW` steps.
        first_norms: gradient norms before clipping in the first `WINDOW` steps.
        last_norms: gradient norms in the last `WINDOW` steps.
        max_drift: the limit of the mean drift, in nats a token.
        hint: what to change, for the error message.

    Raises:
        AtomError: the tuning diverges.
    """
    # Until then the first and the last window overlap, and a comparison would say nothing.
    if step < 2 * WINDOW:
        return
    drift = fmean(last_drift) - fmean(first_drift)
    if drift > max_drift:
        raise AtomError(
            f"tuning diverges at step {step}: in the last {WINDOW} steps the model drifted {drift:.2f} nats a token "
            f"from its initial weights, more than max_drift={max_drift:g}; {hint}"
        )
    # The median, so that a single spike, which clipping makes harmless, does not count.
    before, now = median(first_norms), median(last_norms)
    if now > MAX_NORM_GROWTH * before:
        raise AtomError(
            f"tuning diverges at step {step}: the gradient norm has grown from {before:.3g} to {now:.3g}; {hint}"
        )
