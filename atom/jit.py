"""The numba compiler settings of loops over frames and joints, where a chain of NumPy calls is too slow."""

from __future__ import annotations

import numba

# No fastmath: results round as NumPy's do (the rasteriser has its own, looser settings). numba caches each compiled
# loop beside its source file and checks that file alone: after a change to a function that the loop calls in another
# file, touch the loop's file too.
njit = numba.njit(cache=True, error_model="numpy", nogil=True)
