"""Format 1 of the golden vectors: what a case is, and its JSON. Every error names the place."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

SCHEMA = "refengine-golden/1"
RESULTS = ("required", "ambiguous", "undefined", "invalid")
HEADER = ("schema", "operation", "convention", "definition", "generator", "numberOfCases", "notes", "cases")
INPUTS = ("id", "uid", "flags", "difficulty", "arguments", "constants", "cotangent")
CASE = (*INPUTS, "value", "gradients", "condition", "result", "alternatives")


class GoldenFormatError(ValueError):
    """A golden file is malformed, truncated or altered; the message names the file and the place in it."""


@dataclass(frozen=True)
class Certified:
    """``hi + lo`` is the truth to within ``radius``; ``hi`` is the truth rounded to float64."""

    hi: np.ndarray
    lo: np.ndarray
    radius: np.ndarray


Leaf = Certified | np.ndarray


@dataclass(frozen=True)
class Answer:
    """Values and gradients by name: what a convention gives."""

    value: dict[str, Leaf]
    gradients: dict[str, Leaf]


@dataclass(frozen=True)
class Case(Answer):
    """One certified case. Results with one array hold it under the name ``value``."""

    id: int
    uid: str
    operation: str
    convention: str
    flags: tuple[str, ...]
    difficulty: int
    arguments: dict[str, np.ndarray]
    constants: dict[str, Any]
    cotangent: dict[str, np.ndarray]
    condition: dict[str, np.ndarray]
    gradient_condition: dict[str, np.ndarray]
    result: str
    alternatives: dict[str, Answer]
    notes: dict[str, dict[str, Any]]
    dtype: str = "float64"
    """The dtype in which the arguments are given, and the narrowest in which an answer is expected."""

    def __str__(self) -> str:
        return f"{self.operation}[{self.id}-{self.uid}]"


@dataclass(frozen=True)
class GoldenFile:
    """One operation under one convention."""

    operation: str
    convention: str
    definition: dict[str, str]
    generator: dict[str, str]
    notes: dict[str, dict[str, Any]]
    cases: tuple[Case, ...]


def encode_tensor(array: Any) -> dict[str, Any]:
    """``{dtype, shape, data}`` with floats in C99 hexadecimal, row-major."""
    array = np.asarray(array)
    flat = array.reshape(-1).tolist()
    data = [float.hex(v) if np.isfinite(v) else str(v) for v in flat] if array.dtype.kind == "f" else flat
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}


def decode_tensor(tensor: Any) -> np.ndarray:
    """The read-only array; ValueError unless all is written as `encode_tensor` writes it."""
    dtype, shape, data = (_object(tensor, ("dtype", "shape", "data"))[key] for key in ("dtype", "shape", "data"))
    if dtype not in ("float64", "float32", "int64", "bool"):
        raise ValueError(f"unknown dtype {dtype!r}")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"shape must be whole numbers, got {shape}")
    kind = {"f": str, "i": int, "b": bool}[np.dtype(dtype).kind]
    if not all(type(v) is kind for v in data):
        raise ValueError(f"data of dtype {dtype} must be {kind.__name__}")
    if len(data) != math.prod(shape):
        raise ValueError(f"shape {shape} needs {math.prod(shape)} numbers, got {len(data)}")
    values = [float.fromhex(v) for v in data] if kind is str else data
    array = np.array(values, dtype=dtype).reshape(shape)
    if kind is str and encode_tensor(array)["data"] != data:
        raise ValueError("a number is not written as C99 hexadecimal of its dtype")
    array.flags.writeable = False
    return array


def encode_leaf(leaf: Leaf) -> dict[str, Any]:
    if isinstance(leaf, np.ndarray):
        return encode_tensor(leaf)
    return {part: encode_tensor(getattr(leaf, part)) for part in ("hi", "lo", "radius")}


def decode_leaf(leaf: Any) -> Leaf:
    if "data" in _object(leaf):
        return decode_tensor(leaf)
    parts = _object(leaf, ("hi", "lo", "radius"))
    certified = Certified(*(decode_tensor(parts[part]) for part in ("hi", "lo", "radius")))
    hi, lo, radius = certified.hi, certified.lo, certified.radius
    if not hi.shape == lo.shape == radius.shape:
        raise ValueError("hi, lo and radius differ in shape")
    finite = np.isfinite(hi)
    if not (np.all(hi[finite] + lo[finite] == hi[finite]) and np.all(radius[finite] >= 0)):
        raise ValueError("hi is not hi + lo rounded, or the radius is negative")
    if np.any(lo[~finite] != 0) or np.any(radius[~finite] != 0):
        raise ValueError("lo and radius must be 0 where hi is not finite")
    return certified


def _single(leaves: dict[str, Any]) -> Any:
    """A result of one array stands without its name."""
    return leaves["value"] if list(leaves) == ["value"] else leaves


def _named(node: Any, mark: str) -> dict[str, Any]:
    return {"value": node} if mark in node or "data" in node else node


def encode_case(case: Case) -> dict[str, Any]:
    """The JSON object of a case, keys in the format's order."""
    return {
        "id": case.id,
        "uid": case.uid,
        "flags": list(case.flags),
        "difficulty": case.difficulty,
        "arguments": {k: encode_tensor(v) for k, v in case.arguments.items()},
        "constants": {k: _encode_constant(v) for k, v in case.constants.items()},
        "cotangent": _single({k: encode_tensor(v) for k, v in case.cotangent.items()}),
        "value": _single({k: encode_leaf(v) for k, v in case.value.items()}),
        "gradients": {k: encode_leaf(v) for k, v in case.gradients.items()},
        "condition": {
            "value": _single({k: encode_tensor(v) for k, v in case.condition.items()}),
            "gradients": {k: encode_tensor(v) for k, v in case.gradient_condition.items()},
        },
        "result": case.result,
        "alternatives": {
            name: {
                "value": _single({k: encode_leaf(v) for k, v in answer.value.items()}),
                "gradients": {k: encode_leaf(v) for k, v in answer.gradients.items()},
            }
            for name, answer in case.alternatives.items()
        },
    }


def uid(operation: str, convention: str, case: dict[str, Any]) -> str:
    """A hash of operation, convention and inputs: stable for ever."""
    inputs = [operation, convention, case["arguments"], case["constants"], case["cotangent"]]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _place(*names: Any) -> Iterator[None]:
    """Turn any failure inside into a GoldenFormatError that names the place."""
    try:
        yield
    except GoldenFormatError as error:
        raise GoldenFormatError(f"{'.'.join(map(str, names))}.{error}") from None
    except KeyError as error:
        raise GoldenFormatError(f"{'.'.join(map(str, names))}: {error} is missing") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise GoldenFormatError(f"{'.'.join(map(str, names))}: {error}") from None


def _object(node: Any, keys: Sequence[str] | None = None) -> dict[str, Any]:
    """The node itself; ValueError unless it is a JSON object, with exactly these keys where they are given."""
    if not isinstance(node, dict):
        raise ValueError(f"an object was expected, got {type(node).__name__}")
    if keys is not None and node.keys() != set(keys):
        missing, unknown = set(keys) - node.keys(), node.keys() - set(keys)
        said = [f"{', '.join(map(repr, sorted(missing)))} missing"] if missing else []
        said += [f"{', '.join(map(repr, sorted(unknown)))} unknown"] if unknown else []
        raise ValueError("; ".join(said))
    return node


def _decode(node: dict[str, Any], decode: Any, *names: str) -> dict[str, Any]:
    out = {}
    with _place(*names):
        _object(node)
    for key, value in node.items():
        with _place(*names, key):
            out[key] = decode(value)
    return out


def _encode_constant(value: Any) -> Any:
    """Arrays and the floats that JSON cannot write (nan, the infinities) as tensors, all else as it is."""
    special = isinstance(value, float) and not math.isfinite(value)
    return encode_tensor(value) if special or isinstance(value, np.ndarray) else value


def _decode_constant(value: Any) -> Any:
    array = decode_tensor(value) if isinstance(value, dict) else None
    return value if array is None else array if array.ndim else array.item()


def _decode_answer(node: Any) -> Answer:
    value = _named(node["value"], "hi")
    return Answer(_decode(value, decode_leaf, "value"), _decode(node["gradients"], decode_leaf, "gradients"))


def _decode_alternative(node: Any) -> Answer:
    return _decode_answer(_object(node, ("value", "gradients")))


def _decode_case(node: Any, header: Any) -> Case:
    _object(node, CASE)
    if node["result"] not in RESULTS:
        raise ValueError(f"result must be one of {', '.join(RESULTS)}, got {node['result']!r}")
    if not (type(node["id"]) is int and node["difficulty"] in range(1, 6)):
        raise ValueError("id must be a whole number and difficulty 1 to 5")
    if not (isinstance(node["flags"], list) and all(isinstance(flag, str) for flag in node["flags"])):
        raise ValueError("flags must be a list of names")
    if uid(header["operation"], header["convention"], node) != node["uid"]:
        raise ValueError("uid does not match the inputs")
    condition = _object(node["condition"], ("value", "gradients"))
    case = Case(
        id=node["id"],
        uid=node["uid"],
        operation=header["operation"],
        convention=header["convention"],
        flags=tuple(node["flags"]),
        difficulty=node["difficulty"],
        arguments=_decode(node["arguments"], decode_tensor, "arguments"),
        constants=_decode(node["constants"], _decode_constant, "constants"),
        cotangent=_decode(_named(node["cotangent"], "data"), decode_tensor, "cotangent"),
        condition=_decode(_named(condition["value"], "data"), decode_tensor, "condition.value"),
        gradient_condition=_decode(condition["gradients"], decode_tensor, "condition.gradients"),
        result=node["result"],
        alternatives=_decode(node["alternatives"], _decode_alternative, "alternatives"),
        notes={flag: header["notes"][flag] for flag in node["flags"] if flag in header["notes"]},
        **vars(_decode_answer(node)),
    )
    _check_shapes(case)
    return case


def _check_shapes(case: Case) -> None:
    """ValueError unless the parts of a case fit each other."""
    outputs = {k: v.hi.shape for k, v in case.value.items() if isinstance(v, Certified)}
    if unknown := case.gradients.keys() - case.arguments.keys():
        raise ValueError(f"gradients to {', '.join(sorted(unknown))}, which is no argument")
    gradients = {k: case.arguments[k].shape for k in case.gradients}
    # a condition number may stand for an argument without a gradient: a sampler's target
    conditions = {k: v.shape for k, v in case.arguments.items() if k in case.gradient_condition} | gradients
    groups: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "cotangent": (case.cotangent, outputs),
        "condition.value": (case.condition, outputs),
        "condition.gradients": (case.gradient_condition, conditions),
        "gradients": (case.gradients, gradients),
    }
    for name, answer in case.alternatives.items():
        groups[f"alternatives.{name}.gradients"] = (answer.gradients, gradients)
        if answer.value.keys() != case.value.keys():
            raise ValueError(f"alternatives.{name}.value must name {', '.join(case.value)}")
    for place, (group, wanted) in groups.items():
        got = {k: (v.hi if isinstance(v, Certified) else v).shape for k, v in group.items()}
        if got != wanted:
            raise ValueError(f"{place} has the shapes {got}, {wanted} was expected")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    node = dict(pairs)
    if len(node) != len(pairs):
        raise ValueError(f"a key is repeated among {', '.join(key for key, _ in pairs)}")
    return node


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parse(text: str, name: str) -> GoldenFile:
    """Read one golden file; GoldenFormatError names ``name`` and the place."""
    try:
        node = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise GoldenFormatError(f"{name}: {error}") from None
    with _place(name):
        if _object(node).get("schema") != SCHEMA:
            raise ValueError(f"schema is {node.get('schema')!r}, this reader knows {SCHEMA!r}")
        _object(node, HEADER)
        for key in ("definition", "generator", "notes"):
            with _place(key):
                _object(node[key])
        if node["numberOfCases"] != len(node["cases"]):
            raise ValueError(f"numberOfCases is {node['numberOfCases']}, {len(node['cases'])} cases follow")
        cases = []
        for i, case in enumerate(node["cases"]):
            with _place(f"cases[{i}]"):
                cases.append(_decode_case(case, node))
        return GoldenFile(
            node["operation"], node["convention"], node["definition"], node["generator"], node["notes"], tuple(cases)
        )


def serialise(file: GoldenFile) -> str:
    """The text of a golden file: canonical key order, one case a line, LF."""
    header = {
        "schema": SCHEMA,
        "operation": file.operation,
        "convention": file.convention,
        "definition": file.definition,
        "generator": file.generator,
        "numberOfCases": len(file.cases),
        "notes": file.notes,
    }
    lines = [json.dumps(encode_case(case), separators=(",", ":"), allow_nan=False) for case in file.cases]
    head = json.dumps(header, indent=1, ensure_ascii=False)[:-2]
    return head + ',\n "cases": [\n' + ",\n".join(lines) + "\n ]\n}\n"
