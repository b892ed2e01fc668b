"""HobbitLong's SupContrast: nan for a row without positives in older versions."""

from __future__ import annotations

from typing import Any


def sup_con(*, temperature: float = 0.07, base_temperature: float = 0.07) -> dict[str, Any]:
    """``SupConLoss`` as `refengine.losses.sup_con.loss`, times temperature / base_temperature, which must be 1 here."""
    if temperature != base_temperature:
        raise ValueError(f"the loss there is temperature / base_temperature = {temperature / base_temperature:g} times")
    return {"temperature": temperature, "outside": True, "reduction": "mean"}
