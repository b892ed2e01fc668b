"""How an operation is called with arguments by name: trees of arrays to flat names and back."""

from __future__ import annotations

import inspect
import typing
from importlib import import_module
from typing import Any

from refengine._walk import Operation


def flatten(tree: Any, name: str = "value") -> dict[str, Any]:
    """The arrays of a result by name: one array as ``value``, fields of (nested) NamedTuples as ``state.position``."""
    if not hasattr(tree, "_fields"):
        return {name: tree}
    prefix = "" if name == "value" else f"{name}."
    leaves: dict[str, Any] = {}
    for field in tree._fields:
        leaves |= flatten(getattr(tree, field), prefix + field)
    return leaves


def unflatten(like: Any, leaves: dict[str, Any], name: str = "value") -> Any:
    """The inverse of `flatten`: a tree built like ``like``, with None where ``leaves`` holds nothing."""
    if not hasattr(like, "_fields"):
        return leaves.get(name)
    prefix = "" if name == "value" else f"{name}."
    return type(like)(*(unflatten(getattr(like, field), leaves, prefix + field) for field in like._fields))


def bind(operation: Operation, arguments: dict[str, Any], constants: dict[str, Any], tree: str = "refengine") -> Any:
    """``args, constants`` for a call: tuples built from their fields, targets from their name and parameters.

    A target is named by the constant ``target`` and has its parameters among the arguments, as ``target.mean``; it
    comes from ``samplers.targets`` of ``tree``.
    """
    hints = typing.get_type_hints(operation.function, include_extras=True)
    constants, args = dict(constants), []
    for name, domains in operation.parameters.items():
        if domains is None:
            module = import_module(f"{tree}.samplers.targets.{constants.pop('target')}")
            args.append(module.target(*(arguments[f"{name}.{p}"] for p in inspect.signature(module.target).parameters)))
        elif name in domains:
            args.append(arguments.get(name))
        else:
            like = hints[name](*hints[name]._fields)
            args.append(unflatten(like, arguments, name))
    while args and args[-1] is None:
        args.pop()
    return args, constants


def cotangents_by_name(operation: Operation, arguments: dict[str, Any], cotangents: Any) -> dict[str, Any]:
    """The result of a vjp by argument name: one slot for each argument that holds floating arrays and was given."""
    slots = [
        name
        for name, domains in operation.parameters.items()
        if any(domain.differentiable and leaf in arguments for leaf, domain in (domains or {}).items())
    ]
    if len(slots) != len(cotangents):
        raise ValueError(f"{operation.path}_vjp returned {len(cotangents)} cotangents for {', '.join(slots)}")
    leaves: dict[str, Any] = {}
    for name, cotangent in zip(slots, cotangents, strict=True):
        leaves |= flatten(cotangent, name)
    return {name: leaf for name, leaf in leaves.items() if leaf is not None}
