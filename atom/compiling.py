"""How loops over frames and joints are compiled where one NumPy call after the other would be too slow."""

from __future__ import annotations

import numba

# Rounding is NumPy's own, unlike the rasteriser's. A compiled loop is kept beside its file until that one changes:
# touch it after a change of what it calls in another.
compiled = numba.njit(cache=True, error_model="numpy", nogil=True)
