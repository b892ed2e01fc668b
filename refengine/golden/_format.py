"""Format 1 of the golden vectors: what a case is, and its JSON. Every error names the place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

SCHEMA = "refengine-golden/1"
RESULTS = ("required", "ambiguous", "undefined", "invalid")


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
    dtype, shape, data = tensor["dtype"], tensor["shape"], tensor["data"]
    if dtype not in ("float64", "float32", "int64", "bool"):
        raise ValueError(f"unknown dtype {dtype!r}")
    kinds = {"f": str, "i": int, "b": bool}[np.dtype(dtype).kind]
    if not all(type(v) is kinds for v in data):
        raise ValueError(f"data of dtype {dtype} must be {kinds.__name__}")
    values = [float.fromhex(v) for v in data] if kinds is str else data
    array = np.array(values, dtype=dtype).reshape(shape)
    array.flags.writeable = False
    return array


def encode_leaf(leaf: Leaf) -> dict[str, Any]:
    if isinstance(leaf, np.ndarray):
        return encode_tensor(leaf)
    return {part: encode_tensor(getattr(leaf, part)) for part in ("hi", "lo", "radius")}


def decode_leaf(leaf: Any) -> Leaf:
    if "data" in leaf:
        return decode_tensor(leaf)
    certified = Certified(*(decode_tensor(leaf[part]) for part in ("hi", "lo", "radius")))
    if not certified.hi.shape == certified.lo.shape == certified.radius.shape:
        raise ValueError("hi, lo and radius differ in shape")
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
        "constants": {k: encode_tensor(v) if isinstance(v, np.ndarray) else v for k, v in case.constants.items()},
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


def _decode(node: dict[str, Any], decode: Any, *names: str) -> dict[str, Any]:
    out = {}
    for key, value in node.items():
        with _place(*names, key):
            out[key] = decode(value)
    return out


def _constant(value: Any) -> Any:
    return decode_tensor(value) if isinstance(value, dict) else value


def _decode_answer(node: Any) -> Answer:
    return Answer(
        _decode(_named(node["value"], "hi"), decode_leaf, "value"), _decode(node["gradients"], decode_leaf, "gradients")
    )


def _decode_case(node: Any, header: Any) -> Case:
    if node["result"] not in RESULTS:
        raise ValueError(f"result must be one of {', '.join(RESULTS)}, got {node['result']!r}")
    if uid(header["operation"], header["convention"], node) != node["uid"]:
        raise ValueError("uid does not match the inputs")
    condition = node["condition"]
    return Case(
        id=int(node["id"]),
        uid=node["uid"],
        operation=header["operation"],
        convention=header["convention"],
        flags=tuple(node["flags"]),
        difficulty=int(node["difficulty"]),
        arguments=_decode(node["arguments"], decode_tensor, "arguments"),
        constants=_decode(node["constants"], _constant, "constants"),
        cotangent=_decode(_named(node["cotangent"], "data"), decode_tensor, "cotangent"),
        condition=_decode(_named(condition["value"], "data"), decode_tensor, "condition.value"),
        gradient_condition=_decode(condition["gradients"], decode_tensor, "condition.gradients"),
        result=node["result"],
        alternatives=_decode(node["alternatives"], _decode_answer, "alternatives"),
        notes={flag: header["notes"][flag] for flag in node["flags"] if flag in header["notes"]},
        **vars(_decode_answer(node)),
    )


def parse(text: str, name: str) -> GoldenFile:
    """Read one golden file; GoldenFormatError names ``name`` and the place."""
    try:
        node = json.loads(text)
    except ValueError as error:
        raise GoldenFormatError(f"{name}: {error}") from None
    with _place(name):
        if node["schema"] != SCHEMA:
            raise ValueError(f"schema is {node['schema']!r}, this reader knows {SCHEMA!r}")
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
    lines = [json.dumps(encode_case(case), separators=(",", ":")) for case in file.cases]
    head = json.dumps(header, indent=1, ensure_ascii=False)[:-2]
    return head + ',\n "cases": [\n' + ",\n".join(lines) + "\n ]\n}\n"
