"""Targets with a margin in the angle that each row has for itself."""

from __future__ import annotations

from typing import Any


def shifted(xp: Any, c: Any, sine: Any, shift: Any) -> tuple[Any, Any, Any]:
    """cos(theta + b), sin(theta + b), and the derivative of the first to c = cos(theta)."""
    cosine, turned = xp.cos(shift), xp.sin(shift)
    slope = xp.where(turned == 0, cosine, cosine + turned * (c / sine))
    return c * cosine - sine * turned, sine * cosine + c * turned, slope


def with_margin(xp: Any, c: Any, sine: Any, margin: Any, boundary: str) -> tuple[Any, Any, Any, Any]:
    """ArcFace's target under its boundary rules, 0 <= margin < pi: value, -dt/dtheta, dt/dc, and dt/dmargin."""
    value, fall, slope = shifted(xp, c, sine, margin)
    if boundary == "none":
        return value, fall, slope, -fall
    holds = (c > 0 if boundary == "easy" else c > -xp.cos(margin)) | (margin == 0)
    moves, still = (0.0 * c, 0.0 * c) if boundary == "clip" else (1.0 + 0 * c, 0.0 * c)
    below = c
    if boundary == "clip":
        below = -1.0 + 0 * c
    elif boundary == "monotonic":
        below, still = c - margin * xp.sin(margin), -xp.sin(margin) - margin * xp.cos(margin) + 0 * c
    choices = (value, below), (fall, moves * sine), (slope, moves), (-fall, still)
    value, fall, slope, turn = (xp.where(holds, above, under) for above, under in choices)
    return value, fall, slope, turn


def angular_margin(xp: Any, c: Any, sine: Any, margin: float, boundary: str) -> tuple[Any, Any, Any]:
    """`with_margin` for one margin of all rows, as a target of `refengine.losses._heads`."""
    return with_margin(xp, c, sine, margin + 0 * c, boundary)[:3]
