"""Make the golden files: ``python -m validation.generate [PATH...]`` (operations or globs; all when none is named).

The same bytes on every run: draws come from a generator keyed by the operation's path.
"""

from __future__ import annotations

import fnmatch
import hashlib
import inspect
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import flint
import numpy as np
from rich.progress import Progress

import refengine
from refengine._call import bind
from refengine._walk import Operation, find
from refengine.golden import DATA, Answer, Case, GoldenFile
from refengine.golden._format import encode_case, serialise, uid
from refengine.golden._text import names, path_of, plain_name, sha256
from refengine.golden._text import write as write_text
from validation.exact.certify import certify
from validation.exact.draws import Draw, spread
from validation.flags import FLAGS

BLOCK = 16
LOW_PRECISIONS = {"EXACT_F32": (24, -149, 128), "EXACT_F16": (11, -24, 16), "EXACT_BF16": (8, -133, 128)}


def draws(operation: Operation, salt: str = "") -> list[Draw]:
    """The cases to certify, the same on every call with the same salt.

    The definition's file draws them in ``draw_<name>``; where it has none, they are spread over the domains of the
    signature, with the file's ``near`` and ``RANGES``.
    """
    seed = int.from_bytes(hashlib.sha256((operation.path + salt).encode()).digest()[:8], "big")
    exact, rng = import_module(f"validation.exact.{operation.module}"), np.random.default_rng(seed)
    own = getattr(exact, f"draw_{operation.name}", None)
    if own is not None:
        return _distinct(own(rng))
    return _distinct(spread(rng, operation.domains, getattr(exact, "near", None), getattr(exact, "RANGES", None)))


def _distinct(planned: Iterable[Draw]) -> list[Draw]:
    """Without those that ask the same again: few numbers of one argument are drawn twice easily."""
    kept: dict[str, Draw] = {}
    for draw in planned:
        arrays = {name: np.asarray(value) for name, value in draw.arguments.items()}
        given = [(name, a.dtype.str, a.shape, a.tobytes()) for name, a in sorted(arrays.items())]
        kept.setdefault(repr((given, sorted(draw.constants.items(), key=str))), draw)
    return list(kept.values())


def certified_case(operation: Operation, draw: Draw, index: int) -> Case:
    """Certify one draw and every convention that differs on it."""
    arguments = {k: np.asarray(v) for k, v in draw.arguments.items()}
    constants = {k: np.asarray(v) if isinstance(v, list) else v for k, v in draw.constants.items()}

    def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(index)
        return {
            name: np.asarray(np.round(rng.normal(size=shape) * 16) / 16 + 1 / 32 if shape else 1.0)
            for name, shape in shapes.items()
        }

    found = _answer(operation, arguments, constants, weights)
    certified = {name: leaf.hi.shape for name, leaf in found.value.items() if not isinstance(leaf, np.ndarray)}
    cotangent = found.cotangent or weights(certified)  # the format has one for every real result
    alternatives = {}
    for name, change in draw.alternatives.items():
        definition = change if callable(change) else None
        other = _answer(operation, arguments, constants | ({} if definition else change), cotangent, definition)
        alternatives[name] = Answer(other.value, other.gradients)
    case = Case(
        value=found.value,
        gradients=found.gradients,
        id=index + 1,
        uid="",
        operation=operation.path,
        convention="default",
        flags=tuple(sorted({*draw.flags, *_representable(arguments)})),
        difficulty=draw.difficulty,
        arguments=arguments,
        constants=constants,
        cotangent=cotangent,
        condition=found.condition,
        gradient_condition=found.gradient_condition,
        result=draw.result,
        alternatives=alternatives,
        notes={},
    )
    return Case(**{**vars(case), "uid": uid(case.operation, case.convention, encode_case(case))})


def _answer(operation: Operation, arguments: Any, constants: Any, cotangent: Any, definition: Any = None) -> Any:
    definition = definition or getattr(import_module(f"validation.exact.{operation.module}"), operation.name)
    inputs = {name: arguments[name] for name in operation.differentiable if name in arguments}
    # parameters of a target and floating constants have no cotangent, but a result is no better known than they are
    held = {k: v for k, v in arguments.items() if operation.parameters.get(k.partition(".")[0], {}) is None}
    held = {k: v for k, v in held.items() if v.dtype.kind == "f"}
    floats = {k: v for k, v in (operation.constants | constants).items() if isinstance(v, float)}

    def evaluate(lifted: dict[str, Any]) -> Any:
        known = constants | {k: lifted[f"constants.{k}"] for k in floats}
        args, keywords = bind(operation, {**arguments, **lifted}, known, tree="validation.exact")
        return definition(*args, **keywords)

    given = inputs | held | {f"constants.{k}": np.asarray(v) for k, v in floats.items()}
    found = certify(evaluate, given, cotangent if operation.has_vjp else None)
    wanted = {
        f: {k: v for k, v in getattr(found, f).items() if k in inputs} for f in ("gradients", "gradient_condition")
    }
    return replace(found, **wanted)


def _representable(arguments: dict[str, np.ndarray]) -> set[str]:
    """The flags of the low precisions that hold every floating argument exactly."""
    values = np.concatenate([a.ravel() for a in arguments.values() if a.dtype.kind == "f"] or [np.zeros(1)])
    finite = values[np.isfinite(values) & (values != 0)]
    mantissa, exponent = np.frexp(finite)
    found = set()
    for flag, (bits, lowest, highest) in LOW_PRECISIONS.items():
        unit = np.maximum(exponent - bits, lowest)
        whole = np.ldexp(mantissa, exponent - unit)
        if np.all(whole == np.round(whole)) and np.all(exponent <= highest):
            found.add(flag)
    return found


@cache
def _planned(path: str) -> tuple[Operation, list[Draw]]:
    operation = find()[path]
    return operation, draws(operation)


def _block(path: str, start: int) -> list[Case]:
    operation, planned = _planned(path)
    block = planned[start : start + BLOCK]
    return [certified_case(operation, draw, start + i) for i, draw in enumerate(block)]


def definition_of(operation: Operation) -> dict[str, str]:
    """What the header says of the exact definition."""
    exact = import_module(f"validation.exact.{operation.module}")
    source = inspect.getdoc(getattr(exact, operation.name)) or ""
    latex = re.search(r"\.\. math::\s*(.+?)(?:\n\s*\n|\Z)", inspect.getdoc(operation.function) or "", re.S)
    reference = re.search(r"Source: ([\w-]+)(?:, (.+?))?\.?$", source, re.M)
    if latex is None or reference is None:
        raise SystemExit(
            f"{operation.path}: the docstring needs '.. math::', the exact definition 'Source: key, equation'"
        )
    return {
        "latex": " ".join(latex[1].split()),
        "reference": reference[1],
        "equation": reference[2] or "",
        "sha256": source_hash(Path(str(exact.__file__))),
    }


def source_hash(path: Path) -> str:
    """The hash of a definition's source, by which a test sees that its golden file is up to date."""
    return hashlib.sha256(path.read_text("utf-8").encode()).hexdigest()


def generate(paths: list[str]) -> None:
    """Certify and write every operation that matches one of the globs."""
    operations = {p: o for p, o in find().items() if not paths or any(fnmatch.fnmatch(p, g) for g in paths)}
    if not operations:
        raise SystemExit(f"no operation matches {' '.join(paths)}; there are {', '.join(find())}")
    jobs = [(p, start) for p, o in operations.items() for start in range(0, len(draws(o)), BLOCK)]
    cases: dict[str, list[Case]] = {p: [] for p in operations}
    with ProcessPoolExecutor() as pool, Progress(disable=not sys.stderr.isatty()) as progress:
        bars = {p: progress.add_task(p, total=sum(j[0] == p for j in jobs)) for p in operations}
        pending = {pool.submit(_block, *job): job[0] for job in jobs}
        for done in as_completed(pending):
            cases[pending[done]] += done.result()
            progress.advance(bars[pending[done]])
    for path, operation in operations.items():
        write(operation, sorted(cases[path], key=lambda case: case.id))
        print(f"{path}: {len(cases[path])} cases")
    write_sums()


def write(operation: Operation, cases: list[Case]) -> None:
    """The golden file of one operation."""
    flags = sorted({flag for case in cases for flag in case.flags} & FLAGS.keys())
    versions = {"refengine": refengine.__version__, "python-flint": flint.__version__}
    file = GoldenFile(
        operation.path, "default", definition_of(operation), versions, {f: FLAGS[f] for f in flags}, tuple(cases)
    )
    DATA.mkdir(exist_ok=True)
    write_text(path_of(operation.path), serialise(file))


def write_sums() -> None:
    """The hash of every file's text, for the reader."""
    lines = [f"{sha256(path)}  {plain_name(path)}\n" for path in map(path_of, names())]
    (DATA / "SHA256SUMS").write_text("".join(lines), "utf-8", newline="\n")


if __name__ == "__main__":
    generate(sys.argv[1:])
