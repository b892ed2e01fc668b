"""Everything that can be checked of a golden file: hash, schema, strict reading, canonical text, the bulk twin."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from refengine.golden._case import GoldenFormatError
from refengine.golden._export import bulk
from refengine.golden._format import parse, serialise
from refengine.golden._text import DATA, decoded_text, plain_name, sha256

HERE = Path(__file__).parent


def validate(path: str | Path) -> tuple[str, ...]:
    """Check one golden file and what lies beside it; the names of the checks that could be made.

    "hash" where a SHA256SUMS lies beside it (for the files of the package it must), "twin" where its ``.safetensors``
    does, "format", "schema" and "canonical" always. Raises `GoldenFormatError` that names the file and the place;
    ImportError where jsonschema_rs or safetensors is not installed.

    >>> validate(DATA / "special.log_beta.json.gz")
    ('hash', 'format', 'schema', 'canonical')
    """
    path, done = Path(path), []
    name, text, shipped = plain_name(path), decoded_text(path), path.resolve().parent == DATA.resolve()
    file = parse(text, name)
    if shipped or (path.parent / "SHA256SUMS").exists():
        check_hash(path)
        done.append("hash")
    _check_schema(text, name)
    if serialise(file) != text:
        raise GoldenFormatError(f"{name}: {_first_difference(serialise(file), text)}")
    done += ["format", "schema", "canonical"]
    if _twin_of(path).exists():
        _check_twin(path)
        done.append("twin")
    return tuple(done)


def _twin_of(path: Path) -> Path:
    return path.with_name(plain_name(path)).with_suffix(".safetensors")


def validate_sums(directory: str | Path = DATA) -> None:
    """`GoldenFormatError` unless SHA256SUMS names exactly the files of a directory, each with its hash."""
    directory = Path(directory)
    files = {plain_name(p): p for p in directory.iterdir() if p.suffix in (".json", ".gz", ".safetensors")}
    there = set(files)
    listed = {line.partition("  ")[2] for line in _sums(directory)}
    if there != listed:
        raise GoldenFormatError(f"SHA256SUMS and the directory differ in {', '.join(sorted(there ^ listed))}")
    for name in sorted(there):
        check_hash(files[name])


def _sums(directory: Path) -> list[str]:
    try:
        return (directory / "SHA256SUMS").read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise GoldenFormatError(f"{directory}: SHA256SUMS is missing") from None


def check_hash(path: Path) -> None:
    """`GoldenFormatError` unless the text of the file is as the SHA256SUMS beside it has it."""
    name = plain_name(path)
    if f"{sha256(path)}  {name}" not in _sums(path.parent):
        raise GoldenFormatError(f"{name}: the sha256 differs from the one in SHA256SUMS, or is not listed there")


@cache
def _schema() -> Any:
    schema = json.loads((HERE / "schema.json").read_text("utf-8"))
    return import_module("jsonschema_rs").Draft202012Validator(schema)


def _check_schema(text: str, name: str) -> None:
    error = next(_schema().iter_errors(json.loads(text)), None)
    if error is not None:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        raise GoldenFormatError(f"{name}: {place.removeprefix('.') or 'the file'}: {error.message[:300]}")


def _first_difference(wanted: str, got: str) -> str:
    lines = zip(wanted.split("\n"), got.split("\n"), strict=False)
    number = next((i for i, (a, b) in enumerate(lines, 1) if a != b), got.count("\n") + 1)
    return f"line {number} is not written canonically"


def _check_twin(path: Path) -> None:
    """Every array of the ``.safetensors`` bit for bit as in the JSON, and its metadata."""
    twin, safetensors = _twin_of(path), import_module("safetensors")
    wanted, metadata = bulk(path)
    try:
        with safetensors.safe_open(str(twin), framework="np") as file:
            said, names = file.metadata() or {}, set(file.keys())
            got = {name: file.get_tensor(name) for name in names & wanted.keys()}
    except FileNotFoundError:
        raise GoldenFormatError(f"{twin.name} is missing") from None
    except (safetensors.SafetensorError, ValueError) as error:
        raise GoldenFormatError(f"{twin.name}: {error}") from None
    for key in sorted(said.keys() | metadata.keys()):
        if said.get(key) != metadata.get(key):
            raise GoldenFormatError(f"{twin.name}: metadata {key!r} differs from {plain_name(path)}")
    if names != wanted.keys():
        raise GoldenFormatError(f"{twin.name}: {sorted(names ^ wanted.keys())[0]} is not in both layers")
    for name, array in wanted.items():
        if (got[name].dtype, got[name].shape, got[name].tobytes()) != (array.dtype, array.shape, _bytes(array)):
            raise GoldenFormatError(f"{twin.name}: {name} differs from {plain_name(path)}")


def _bytes(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()
