"""Stops a tuning that diverges, before it spends the rest of its time.

The limits lie far from what healthy tunings of the built-in model do: over some fifty of them, of all objectives, the
largest gradient norm was 13 times the median and the model moved by less than 0.2 nats a token. IPO of averaged
log-probabilities at a learning rate too high for it moved by 1.2 to 2.6, and its motions fell apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

from atom.errors import AtomError

WINDOW = 10  # steps whose mean or median is looked at
MAX_NORM_GROWTH = 100.0  # of the gradient norm against the first steps


def check_finite(step: int, steps: int, loss: float, gradient_norm: float, remedy: str) -> None:
    """AtomError when a step came to nothing that can be learnt from."""
    if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
        raise AtomError(
            f"tuning broke down at step {step} of {steps}: loss {loss:g}, gradient norm {gradient_norm:g}; {remedy}"
        )


def check_divergence(
    step: int,
    drift_before: Sequence[float],
    drift_now: Sequence[float],
    norms_before: Sequence[float],
    norms_now: Sequence[float],
    max_drift: float,
    remedy: str,
) -> None:
    """AtomError when a tuning has left the place where it began too far behind or its gradients explode.

    `drift_...` (nats a token) and `norms_...` (of the gradients before clipping) are those of the first and of the last
    `WINDOW` steps; as long as these overlap there is nothing to say.
    """
    if step < 2 * WINDOW:
        return
    drift = fmean(drift_now) - fmean(drift_before)
    if drift > max_drift:
        raise AtomError(
            f"tuning diverges at step {step}: in the last {WINDOW} steps the model was {drift:.2f} nats a token away "
            f"from where it began, more than max_drift={max_drift:g}; {remedy}"
        )
    before, now = median(norms_before), median(norms_now)
    if now > MAX_NORM_GROWTH * before:
        raise AtomError(
            f"tuning diverges at step {step}: the gradient norm has grown from {before:.3g} to {now:.3g}; {remedy}"
        )
