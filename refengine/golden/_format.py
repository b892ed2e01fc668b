"""Format 1 of the golden vectors as JSON text, written and read. Every error names the place."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np

from refengine.golden._case import Answer, Case, Certified, GoldenFile, GoldenFormatError
from refengine.golden._strict import decoded, from_json, members, place
from refengine.golden._tensor import decode_leaf, decode_tensor, encode_leaf, encode_tensor

SCHEMA = "refengine-golden/1"
RESULTS = ("required", "ambiguous", "undefined", "invalid")
HEADER = ("schema", "operation", "convention", "definition", "generator", "numberOfCases", "notes", "cases")
INPUTS = ("id", "uid", "flags", "difficulty", "arguments", "constants", "cotangent")
CASE = (*INPUTS, "value", "gradients", "condition", "result", "alternatives")


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
        **_encode_answer(case),
        "condition": {
            "value": _single({k: encode_tensor(v) for k, v in case.condition.items()}),
            "gradients": {k: encode_tensor(v) for k, v in case.gradient_condition.items()},
        },
        "result": case.result,
        "alternatives": {name: _encode_answer(answer) for name, answer in case.alternatives.items()},
    }


def _encode_answer(answer: Answer) -> dict[str, Any]:
    return {
        "value": _single({k: encode_leaf(v) for k, v in answer.value.items()}),
        "gradients": {k: encode_leaf(v) for k, v in answer.gradients.items()},
    }


def uid(operation: str, convention: str, case: dict[str, Any]) -> str:
    """A hash of operation, convention and inputs: stable for ever."""
    inputs = [operation, convention, case["arguments"], case["constants"], case["cotangent"]]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _encode_constant(value: Any) -> Any:
    """Arrays and the floats that JSON cannot write (nan, the infinities) as tensors, all else as it is."""
    special = isinstance(value, float) and not math.isfinite(value)
    return encode_tensor(value) if special or isinstance(value, np.ndarray) else value


def _decode_constant(value: Any) -> Any:
    array = decode_tensor(value) if isinstance(value, dict) else None
    return value if array is None else array if array.ndim else array.item()


def _decode_answer(node: Any) -> Answer:
    value = _named(node["value"], "hi")
    return Answer(decoded(value, decode_leaf, "value"), decoded(node["gradients"], decode_leaf, "gradients"))


def _decode_alternative(node: Any) -> Answer:
    return _decode_answer(members(node, ("value", "gradients")))


def _decode_case(node: Any, header: Any) -> Case:
    members(node, CASE)
    if node["result"] not in RESULTS:
        raise ValueError(f"result must be one of {', '.join(RESULTS)}, got {node['result']!r}")
    if not (type(node["id"]) is int and node["difficulty"] in range(1, 6)):
        raise ValueError("id must be a whole number and difficulty 1 to 5")
    if not (isinstance(node["flags"], list) and all(isinstance(flag, str) for flag in node["flags"])):
        raise ValueError("flags must be a list of names")
    if uid(header["operation"], header["convention"], node) != node["uid"]:
        raise ValueError("uid does not match the inputs")
    condition = members(node["condition"], ("value", "gradients"))
    case = Case(
        id=node["id"],
        uid=node["uid"],
        operation=header["operation"],
        convention=header["convention"],
        flags=tuple(node["flags"]),
        difficulty=node["difficulty"],
        arguments=decoded(node["arguments"], decode_tensor, "arguments"),
        constants=decoded(node["constants"], _decode_constant, "constants"),
        cotangent=decoded(_named(node["cotangent"], "data"), decode_tensor, "cotangent"),
        condition=decoded(_named(condition["value"], "data"), decode_tensor, "condition.value"),
        gradient_condition=decoded(condition["gradients"], decode_tensor, "condition.gradients"),
        result=node["result"],
        alternatives=decoded(node["alternatives"], _decode_alternative, "alternatives"),
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
    for part, (group, wanted) in groups.items():
        got = {k: (v.hi if isinstance(v, Certified) else v).shape for k, v in group.items()}
        if got != wanted:
            raise ValueError(f"{part} has the shapes {got}, {wanted} was expected")


def parse(text: str, name: str) -> GoldenFile:
    """Read one golden file; GoldenFormatError names ``name`` and the place."""
    try:
        node = from_json(text)
    except (ValueError, RecursionError) as error:
        raise GoldenFormatError(f"{name}: {error}") from None
    with place(name):
        if members(node).get("schema") != SCHEMA:
            raise ValueError(f"schema is {node.get('schema')!r}, this reader knows {SCHEMA!r}")
        members(node, HEADER)
        for key in ("definition", "generator", "notes"):
            with place(key):
                members(node[key])
        if node["numberOfCases"] != len(node["cases"]):
            raise ValueError(f"numberOfCases is {node['numberOfCases']}, {len(node['cases'])} cases follow")
        cases = []
        for i, case in enumerate(node["cases"]):
            with place(f"cases[{i}]"):
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
