"""Strict reading of JSON: whatever is not as the format has it is an error that names the place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from refengine.golden._case import GoldenFormatError


@contextmanager
def place(name: str) -> Iterator[None]:
    """Turn any failure inside into a GoldenFormatError that names the place; places nest."""
    try:
        yield
    except GoldenFormatError as error:
        raise GoldenFormatError(f"{name}.{error}") from None
    except KeyError as error:
        raise GoldenFormatError(f"{name}: {error} is missing") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise GoldenFormatError(f"{name}: {error}") from None


def members(node: Any, keys: Sequence[str] | None = None) -> dict[str, Any]:
    """The node itself; ValueError unless it is a JSON object, with exactly these keys where they are given."""
    if not isinstance(node, dict):
        raise ValueError(f"an object was expected, got {type(node).__name__}")
    if keys is not None and node.keys() != set(keys):
        missing, unknown = set(keys) - node.keys(), node.keys() - set(keys)
        said = [f"{', '.join(map(repr, sorted(missing)))} missing"] if missing else []
        said += [f"{', '.join(map(repr, sorted(unknown)))} unknown"] if unknown else []
        raise ValueError("; ".join(said))
    return node


def decoded(node: Any, decode: Callable[[Any], Any], name: str) -> dict[str, Any]:
    """The object called ``name``, each of its members decoded."""
    out = {}
    with place(name):
        for key, value in members(node).items():
            with place(key):
                out[key] = decode(value)
    return out


def from_json(text: str) -> Any:
    """What the text says; ValueError where it is not JSON, or names a key twice."""
    return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_not_json)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    node = dict(pairs)
    if len(node) != len(pairs):
        raise ValueError(f"a key is repeated among {', '.join(key for key, _ in pairs)}")
    return node


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
