"""opensphere in 2023: the margin is outside of the graph, and cosines of angles next to 0 and pi are moved by 1e-5.

It normalises the class vectors in place and differentiates as if they had not been: its gradient to them is the one
here before the projection across the vector, which for vectors of length 1 is all of the difference.
"""

from __future__ import annotations

from typing import Any


def arcface(*, s: float = 64.0, m: float = 0.5) -> dict[str, Any]:
    """``ArcFace`` as `refengine.losses.arcface.loss`; the angle stops at 3.14159, not at pi."""
    return {"scale": s, "margin": m, "boundary": "clip", "gradient": "straight_through"}


def cosface(*, s: float = 64.0, m: float = 0.35) -> dict[str, Any]:
    """``CosFace`` as `refengine.losses.cosface.loss`."""
    return {"scale": s, "margin": m}


def sphereface(*, s: float = 30.0, m: float = 1.5) -> dict[str, Any]:
    """``SphereFace`` as `refengine.losses.sphereface.loss`; m is 1.7 in other versions."""
    return {"margin": m, "annealing": 0.0, "scale": s, "psi": "piecewise", "gradient": "straight_through"}


def normface(*, s: float = 30.0) -> dict[str, Any]:
    """``CocoLoss`` as `refengine.losses.normface.loss`."""
    return {"scale": s}
