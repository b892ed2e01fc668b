"""scipy.special's softmax, without gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

FRAMEWORK = ""


def softmax(z: Any, *, mask: Any = None) -> Any:
    return special.softmax(z if mask is None else np.where(mask, z, -np.inf), axis=-1)


ANSWERS = {"attention.softmax.softmax": {"special.softmax": softmax}}
