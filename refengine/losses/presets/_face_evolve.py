"""face.evoLVe, head/metrics.py: the square root of 1 - c^2 is not clamped, so that a cosine above 1 gives nan."""

from __future__ import annotations

from typing import Any


def arcface(*, s: float = 30.0, m: float = 0.5, easy_margin: bool = False) -> dict[str, Any]:
    """``ArcFace`` as `refengine.losses.arcface.loss`."""
    return {"scale": s, "margin": m, "boundary": "easy" if easy_margin else "monotonic", "gradient": "exact"}


def cosface(*, s: float = 30.0, m: float = 0.40) -> dict[str, Any]:
    """``CosFace`` as `refengine.losses.cosface.loss`."""
    return {"scale": s, "margin": m}


def sphereface(*, iteration: int, m: float = 4) -> dict[str, Any]:
    """``SphereFace`` in its n-th call, 1 at first, as `refengine.losses.sphereface.loss`; m is 0 to 5 there.

    Its default m = 4.0 cannot be an index there, and raises.
    """
    return {"margin": float(m), "annealing": max(5.0, 1000.0 / (1 + 0.12 * iteration)), "scale": None}
