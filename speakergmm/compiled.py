"""What compiled passes share: how they are compiled and kept, and the arrays that they only read.

Importing this module loads numba; what has use for a compiled pass imports it only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import float32, int32, njit, types

if TYPE_CHECKING:
    from collections.abc import Callable, Set

# Products and sums may be fused and put in another order, and signs of zeros may be lost. Infinite
# numbers may occur, NaN must not: what gives them is refused, or computed elsewhere.
FAST_MATH = frozenset({"contract", "reassoc", "nsz", "arcp", "nnan"})

# Arrays that are only read may be read-only: mapped from a file, or sent by another process.
READ_ANY = types.Array(float32, 2, "A", readonly=True)
READ_1, READ_2, READ_3 = (types.Array(float32, n, "C", readonly=True) for n in (1, 2, 3))
READ_INDEX = types.Array(int32, 1, "C", readonly=True)


def compiled(
    signature: Any, *, fast_math: Set[str] = FAST_MATH
) -> Callable[[Callable[..., Any]], Any]:
    """Compile ahead for fixed types, and keep the result on disk where that is possible."""
    compiler: Any = njit
    options = {"nogil": True, "fastmath": set(fast_math), "error_model": "numpy"}

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return compiler(signature, cache=True, **options)(function)
        except RuntimeError:
            # Neither the package's folder nor the user's cache can be written.
            return compiler(signature, **options)(function)

    return decorate
