"""pytorch-metric-learning's losses under our names, differentiated by torch: what they answer to the golden cases.

``python -m validation.peers.pytorch_metric_learning`` asks all of them and says of every case: right, wrong, or
"matches X" where the answer is right under a convention that the case names, but does not ask for. Cases of options
that the library does not have are left out. One loss by the command line:

    refengine check validation.peers.pytorch_metric_learning:cosface --operation losses.cosface.loss --gradient torch
"""

from __future__ import annotations

import sys
from math import degrees
from typing import Any

import torch
from pytorch_metric_learning import distances, losses, reducers

from refengine._verify import LIMIT
from refengine._walk import find
from refengine.cli._foreign import Target
from refengine.cli._tally import line_of, total_lines, totals
from refengine.golden import Case, load

OFFERS: dict[str, dict[str, Any]] = {
    "arcface": {"boundary": "monotonic", "gradient": "exact"},
    "cosface": {},
    "sphereface": {"annealing": 0.0, "scale": None, "psi": "piecewise", "gradient": "exact"},
    "l_softmax": {"annealing": 0.0},
    "normface": {},
    "circle": {"weights": "detached", "scope": "anchor", "reduction": ("none", "sum", "mean", "nonzero")},
    "contrastive": {"squared": False, "half_factor": False, "reduction": "nonzero"},
    "triplet": {"soft": False, "reduction": ("none", "sum", "mean", "nonzero")},
    "info_nce": {"denominator": "negatives"},
    "sup_con": {"outside": True, "reduction": ("none", "sum", "mean", "nonzero")},
    "multi_similarity": {"mining_margin": None, "reduction": ("none", "sum", "mean", "nonzero")},
}
"""The options that the library has; a case with others is asked where it names those of the library as a convention."""


def arcface(x: Any, weight: Any, labels: Any, *, scale: float, margin: float, reduction: str, **_: Any) -> Any:
    constants = {"margin": degrees(margin), "scale": scale}
    return _head(losses.ArcFaceLoss, x, weight, labels, reduction, constants)


def cosface(x: Any, weight: Any, labels: Any, *, scale: float, margin: float, reduction: str) -> Any:
    return _head(losses.CosFaceLoss, x, weight, labels, reduction, {"margin": margin, "scale": scale})


def sphereface(x: Any, weight: Any, labels: Any, *, margin: float, reduction: str, **_: Any) -> Any:
    return _head(losses.SphereFaceLoss, x, weight, labels, reduction, {"margin": margin})


def l_softmax(x: Any, weight: Any, labels: Any, *, margin: float, reduction: str, **_: Any) -> Any:
    return _head(losses.LargeMarginSoftmaxLoss, x, weight, labels, reduction, {"margin": margin})


def normface(x: Any, weight: Any, labels: Any, scale: Any, *, reduction: str) -> Any:
    return _head(losses.NormalizedSoftmaxLoss, x, weight, labels, reduction, {"temperature": 1 / scale})


def circle(x: Any, labels: Any, *, gamma: float, margin: float, reduction: str, **_: Any) -> Any:
    return _batch(losses.CircleLoss, x, labels, reduction, {"m": margin, "gamma": gamma})


def contrastive(
    x: Any, labels: Any, *, margin: float, positive_margin: float, normalize_x: bool, reduction: str, **_: Any
) -> Any:
    constants: dict[str, Any] = {"pos_margin": positive_margin, "neg_margin": margin}
    constants["distance"] = distances.LpDistance(normalize_embeddings=normalize_x)
    return _batch(losses.ContrastiveLoss, x, labels, reduction, constants)


def triplet(x: Any, labels: Any, *, margin: float, squared: bool, normalize_x: bool, reduction: str, **_: Any) -> Any:
    distance = distances.LpDistance(normalize_embeddings=normalize_x, power=2 if squared else 1)
    return _batch(losses.TripletMarginLoss, x, labels, reduction, {"margin": margin, "distance": distance})


def info_nce(x: Any, labels: Any, *, temperature: float, reduction: str, **_: Any) -> Any:
    if reduction == "none":
        raise NotImplementedError("the library gives the pairs in a list")
    return _batch(losses.NTXentLoss, x, labels, reduction, {"temperature": temperature})


def sup_con(x: Any, labels: Any, *, temperature: float, reduction: str, **_: Any) -> Any:
    return _batch(losses.SupConLoss, x, labels, reduction, {"temperature": temperature})


def multi_similarity(x: Any, labels: Any, *, alpha: float, beta: float, base: float, reduction: str, **_: Any) -> Any:
    return _batch(losses.MultiSimilarityLoss, x, labels, reduction, {"alpha": alpha, "beta": beta, "base": base})


def _reducer(reduction: str) -> Any:
    known = {"mean": reducers.MeanReducer, "sum": reducers.SumReducer, "nonzero": reducers.AvgNonZeroReducer}
    return known.get(reduction, reducers.DoNothingReducer)()


def _value(found: Any) -> Any:
    """A loss, or the losses that a reducer that does nothing leaves in a dictionary."""
    return torch.as_tensor(found["loss"]["losses"]).reshape(-1) if isinstance(found, dict) else found


def _head(loss: Any, x: Any, weight: Any, labels: Any, reduction: str, constants: dict[str, Any]) -> Any:
    made = loss(num_classes=len(weight), embedding_size=x.shape[1], reducer=_reducer(reduction), **constants)
    del made.W  # its own parameter: ours takes the place
    made.W = weight.T
    return _value(made(x, labels))


def _batch(loss: Any, x: Any, labels: Any, reduction: str, constants: dict[str, Any]) -> Any:
    return _value(loss(reducer=_reducer(reduction), **constants)(x, labels))


def asked(name: str, case: Case) -> bool:
    """Whether the library has the options of a case, or the case names what it has as another convention."""
    for option, has in OFFERS[name].items():
        given = case.constants.get(option)
        if given not in (has if isinstance(has, tuple) else (has,)) and has not in case.alternatives:
            return False
    return (name, case.constants.get("reduction")) != ("info_nce", "none")


def main(names: list[str]) -> int:
    """Every case of the named losses, or of all; the totals. 1 if something is wrong."""
    torch.set_default_dtype(torch.float64)
    operations, wrong = find(), False
    for name in names or [name for name in OFFERS if f"losses.{name}.loss" in operations]:
        operation = operations[f"losses.{name}.loss"]
        target = Target(globals()[name], operation, "torch", gradient=True)
        found = [target.assess(case, LIMIT) for case in load(operation.path).cases if asked(name, case)]
        for assessment in found:
            print(f"{name:12} {line_of(assessment, False)}")
        facts = {"target": f"pytorch-metric-learning {name}", "operation": operation.path, "dtype": "float64"}
        result = facts | {"convention": "default"} | totals(found, LIMIT)
        print("\n".join(total_lines(result)), end="\n\n")
        wrong = wrong or not result["passed"]
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
