"""ArcFace, loss and both gradients, against the same formulas in eager PyTorch; the floor is three bare products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import refengine
from validation.benchmarks._compare import Comparison, compare

ROWS, FEATURES, CLASSES, SCALE, MARGIN = 256, 512, 100_000, 64.0, 0.5


def run() -> Iterator[Comparison]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, FEATURES), dtype=np.float32)
    weight = rng.standard_normal((CLASSES, FEATURES), dtype=np.float32)
    labels = rng.integers(CLASSES, size=ROWS)
    loss = refengine.backend("numba").losses.arcface.loss_value_and_vjp

    def ours() -> Any:
        return loss(1.0, x, weight, labels, scale=SCALE, margin=MARGIN)

    def products() -> Any:
        cosine = x @ weight.T
        return cosine @ weight, cosine.T @ x

    theirs = torch_loss(x, weight, labels)
    agree(ours(), theirs())
    yield compare(
        f"losses.arcface.loss, value and gradients, N {ROWS}, D {FEATURES}, C {CLASSES}, float32",
        ours,
        theirs,
        peer="torch eager",
        limit=0.6,
        floor=products,
        rounds=5,
        memory=True,
    )


def torch_loss(x: np.ndarray, weight: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
    """Value and gradients by autograd; acos and cos are taken of the targets alone, as in insightface."""
    import torch
    from torch.nn import functional

    leaves = [torch.from_numpy(a).requires_grad_() for a in (x, weight)]
    target = torch.from_numpy(labels)
    index = torch.arange(len(labels))

    def value_and_gradients() -> Any:
        cosine = functional.linear(functional.normalize(leaves[0]), functional.normalize(leaves[1])).clamp(-1, 1)
        angle = torch.acos(cosine[index, target])
        logits = SCALE * cosine.index_put((index, target), torch.cos(angle + MARGIN))
        value = functional.cross_entropy(logits, target)
        return value, torch.autograd.grad(value, leaves)

    return value_and_gradients


def agree(ours: Any, theirs: Any) -> None:
    """Both compute the same thing: what differs is float32 rounding."""
    for a, b in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        other = b.detach().numpy()
        np.testing.assert_allclose(a, other, rtol=1e-3, atol=1e-4 * float(np.max(np.abs(other))))


if __name__ == "__main__":
    for comparison in run():
        print(comparison)
