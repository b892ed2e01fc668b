"""Losses, value and all gradients: heads against eager PyTorch, losses of pairs against pytorch-metric-learning.

The floor of the heads is three bare products, N x D with D x C and the two that lead back. In blocks of classes the
first is needed twice: four bare products stand for the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import util
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning import distances, miners, reducers
from pytorch_metric_learning import losses as peer_losses
from scipy.sparse import csr_array
from torch.nn import functional

import refengine
from validation.benchmarks._compare import Comparison, compare

ROWS, FEATURES, CLASSES = 256, 512, 100_000
HEADS: dict[str, dict[str, float]] = {
    "arcface": {"scale": 64.0, "margin": 0.5},
    "cosface": {"scale": 64.0, "margin": 0.35},
    "combined_margin": {"scale": 64.0, "m1": 0.9, "m2": 0.4, "m3": 0.15},
    "sphereface": {"scale": 64.0, "margin": 4.0},
}
HEAD_LIMIT, FLOOR_LIMIT = 0.45, 1.25
BLOCKED_CLASSES, BLOCK, BLOCKED_LIMIT = {CLASSES: 5, 1_000_000: 2}, 4096, 1.3  # with the rounds that are timed
SIZES, PAIR_FEATURES, PER_CLASS, PAIR_LIMIT, BATCH_ALL_LIMIT = (1024, 4096), 128, 8, 0.33, 0.05


def run() -> Iterator[Comparison]:
    yield from _heads(np.random.default_rng(0))
    for classes, rounds in BLOCKED_CLASSES.items():
        yield _blocked(np.random.default_rng(classes), classes, rounds)
    for size in SIZES:
        yield from _pairs(np.random.default_rng(size), size)


def _heads(rng: np.random.Generator) -> Iterator[Comparison]:
    x = rng.standard_normal((ROWS, FEATURES), dtype=np.float32)
    weight = rng.standard_normal((CLASSES, FEATURES), dtype=np.float32)
    labels = rng.integers(CLASSES, size=ROWS)

    def products() -> Any:
        cosine = x @ weight.T
        return cosine @ weight, cosine.T @ x

    for name, constants in HEADS.items():
        loss = getattr(refengine.backend("numba").losses, name).loss_value_and_vjp
        ours = partial(loss, 1.0, x, weight, labels, **constants)
        theirs = torch_head(name, x, weight, labels, constants)
        agree(ours(), theirs())
        yield compare(
            f"losses.{name}.loss, N {ROWS}, D {FEATURES}, C {CLASSES}, float32",
            ours,
            theirs,
            peer="torch eager",
            limit=HEAD_LIMIT,
            floor=products,
            floor_limit=FLOOR_LIMIT,
            rounds=5,
            memory=True,
        )


def _blocked(rng: np.random.Generator, classes: int, rounds: int) -> Comparison:
    x = rng.standard_normal((ROWS, FEATURES), dtype=np.float32)
    weight = rng.standard_normal((classes, FEATURES), dtype=np.float32)
    labels = rng.integers(classes, size=ROWS)
    blocked, head = refengine.backend("numba").losses.sharded.gradients_in_blocks, refengine.losses.arcface.head()
    ours = partial(blocked, 1.0, x, weight, labels, head, block=BLOCK)

    def products() -> Any:
        cosine = x @ weight.T
        np.matmul(x, weight.T, out=cosine)
        return cosine @ weight, cosine.T @ x

    if classes == CLASSES:
        whole = refengine.backend("numba").losses.arcface.loss_value_and_vjp(1.0, x, weight, labels)
        for a, b in zip(*((value, *gradients) for value, gradients in (ours(), whole)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * float(np.max(np.abs(b))))
        del whole, a, b
    gradients = x.nbytes + weight.nbytes
    found = compare(
        f"losses.sharded, arcface in blocks of {BLOCK}, N {ROWS}, D {FEATURES}, C {classes}, float32, "
        f"gradients of {gradients / 2**20:.1f} MiB",
        ours,
        products,
        peer="four bare products",
        limit=BLOCKED_LIMIT,
        rounds=rounds,
        memory=True,
    )
    buffers = 4 * x.itemsize * ROWS * (BLOCK + FEATURES)
    assert found.memory is None or found.memory[0] < gradients + buffers, f"{found}: more than gradients and buffers"
    return found


def torch_head(
    name: str, x: np.ndarray, weight: np.ndarray, labels: np.ndarray, constants: dict[str, float]
) -> Callable[[], Any]:
    """Value and gradients by autograd; the margin is put on the labels' cosines alone."""
    leaves = [torch.from_numpy(a).requires_grad_() for a in (x, weight)]
    target, index = torch.from_numpy(labels), torch.arange(len(labels))
    scale = constants["scale"]

    def with_margin(c: torch.Tensor) -> torch.Tensor:
        if name == "cosface":
            return c - constants["margin"]
        angle = torch.acos(c)
        if name == "arcface":
            return torch.cos(angle + constants["margin"])
        if name == "combined_margin":
            return torch.cos(constants["m1"] * angle + constants["m2"]) - constants["m3"]
        k = torch.floor(constants["margin"] * angle.detach() / torch.pi)
        return (1 - 2 * (k % 2)) * torch.cos(constants["margin"] * angle) - 2 * k

    def value_and_gradients() -> Any:
        cosine = functional.linear(functional.normalize(leaves[0]), functional.normalize(leaves[1])).clamp(-1, 1)
        logits = scale * cosine.index_put((index, target), with_margin(cosine[index, target]))
        value = functional.cross_entropy(logits, target)
        return value, torch.autograd.grad(value, leaves)

    return value_and_gradients


def _pairs(rng: np.random.Generator, size: int) -> Iterator[Comparison]:
    """Unit vectors around the centers of their classes, so that positives are near, and no hinge is always active."""
    labels = np.repeat(np.arange(size // PER_CLASS), PER_CLASS)
    centers = rng.standard_normal((size // PER_CLASS, PAIR_FEATURES))
    x = centers[labels] + rng.standard_normal((size, PAIR_FEATURES))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    mean, plain = reducers.MeanReducer(), distances.LpDistance(normalize_embeddings=False)
    ours = refengine.backend("numba").losses
    valid = {"reduction": "valid_anchor"}
    peers: dict[str, tuple[Any, dict[str, Any]]] = {
        "circle": (peer_losses.CircleLoss(m=0.25, gamma=80, reducer=mean), {"reduction": "mean"}),
        "sup_con": (peer_losses.SupConLoss(temperature=0.1, reducer=mean), valid),
        "multi_similarity": (peer_losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5, reducer=mean), {"base": 0.5}),
    }
    for name, (peer, constants) in peers.items():
        if util.find_spec(f"refengine.losses.{name}") is None:
            continue
        loss = getattr(ours, name).loss_value_and_vjp
        yield _against(f"{name}.loss", partial(loss, 1.0, x, labels, **constants), _peer(peer, x, labels), size)
    hardest = _peer(peer_losses.TripletMarginLoss(0.2, distance=plain, reducer=mean), x, labels, _miner(plain))
    yield _against("triplet, batch-hard", partial(_batch_hard, x, labels), hardest, size)
    if size == min(SIZES):
        peer = peer_losses.TripletMarginLoss(0.2, distance=plain, reducer=mean)
        call = partial(ours.triplet.loss_value_and_vjp, 1.0, x, labels, margin=0.2)
        yield _against("triplet.loss, batch-all", call, _peer(peer, x, labels), size, BATCH_ALL_LIMIT, rounds=2)


def _against(
    name: str, ours: Callable[[], Any], theirs: Callable[[], Any], size: int, limit: float = PAIR_LIMIT, rounds: int = 5
) -> Comparison:
    agree(ours(), theirs())
    name = f"losses.{name}, N {size}, D {PAIR_FEATURES}, float32"
    return compare(name, ours, theirs, peer="pytorch-metric-learning", limit=limit, rounds=rounds)


def _peer(loss: Any, x: np.ndarray, labels: np.ndarray, miner: Any = None) -> Callable[[], Any]:
    leaf, target = torch.from_numpy(x).requires_grad_(), torch.from_numpy(labels)

    def value_and_gradient() -> Any:
        value = loss(leaf, target, miner(leaf, target) if miner else None)
        return value, torch.autograd.grad(value, [leaf])

    return value_and_gradient


def _miner(distance: Any) -> Any:
    return miners.BatchHardMiner(distance=distance)


def _batch_hard(x: np.ndarray, labels: np.ndarray) -> Any:
    """Mining, the loss of the triplets, and their gradients added up at the rows."""
    backend = refengine.backend("numba")
    triplets = backend.mining.batch_hard(x, labels)
    value, parts = backend.losses.triplet.loss_triplets_value_and_vjp(1.0, *(x[rows] for rows in triplets), margin=0.2)
    rows = np.concatenate(triplets)
    to_rows = csr_array((np.ones(len(rows), x.dtype), (rows, np.arange(len(rows)))), shape=(len(x), len(rows)))
    return value, (to_rows @ np.concatenate(parts),)


def agree(ours: Any, theirs: Any) -> None:
    """Both compute the same thing: what differs is rounding, to the precision of both."""
    for a, b in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        other = b.detach().numpy()
        assert a.dtype == other.dtype, f"{a.dtype} and {other.dtype}"
        eps = float(np.finfo(other.dtype).eps)
        np.testing.assert_allclose(a, other, rtol=8e3 * eps, atol=8e2 * eps * float(np.max(np.abs(other))))


if __name__ == "__main__":
    for comparison in run():
        print(comparison, flush=True)
