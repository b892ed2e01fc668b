"""The bulk layer: the same cases in one flat file of named tensors, for readers that do not want JSON."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from refengine.golden._case import Answer, Case, Certified
from refengine.golden._format import parse
from refengine.golden._text import content, names, path_of, plain_name

FORMATS = ("json", "safetensors", "npz")


def tensors(case: Case) -> dict[str, np.ndarray]:
    """Every array of one case under a flat name: ``12.arguments.x``, ``12.value.hi``, ``12.gradients.a.lo``."""
    flat: dict[str, np.ndarray] = {}

    def put(group: str, leaves: dict[str, Any]) -> None:
        for name, leaf in leaves.items():
            full = f"{case.id}.{group}" if name == "value" == group.rpartition(".")[2] else f"{case.id}.{group}.{name}"
            parts = (
                {f"{full}.{p}": getattr(leaf, p) for p in ("hi", "lo", "radius")}
                if isinstance(leaf, Certified)
                else {full: leaf}
            )
            flat.update({k: np.array(v, order="C") for k, v in parts.items()})

    def put_answer(prefix: str, answer: Answer) -> None:
        put(f"{prefix}value", answer.value)
        put(f"{prefix}gradients", answer.gradients)

    put("arguments", case.arguments)
    put("constants", {k: v for k, v in case.constants.items() if isinstance(v, np.ndarray)})
    put("cotangent", case.cotangent)
    put_answer("", case)
    put("condition.value", case.condition)
    put("condition.gradients", case.gradient_condition)
    for name, answer in case.alternatives.items():
        put_answer(f"alternatives.{name}.", answer)
    return flat


def bulk(source: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a golden JSON file's flat twin."""
    text = content(source)
    file = parse(text.decode("utf-8"), plain_name(source))
    flags = sorted({flag for case in file.cases for flag in case.flags})
    bits = [sum(1 << flags.index(flag) for flag in case.flags) for case in file.cases]
    arrays = {"flags": np.array(bits, dtype=np.int64)}
    for case in file.cases:
        arrays |= tensors(case)
    metadata = {
        "schema": "refengine-golden/1",
        "operation": file.operation,
        "convention": file.convention,
        "sha256": hashlib.sha256(text).hexdigest(),
        "flags": json.dumps(flags),
        "uids": json.dumps([case.uid for case in file.cases]),
        "results": json.dumps([case.result for case in file.cases]),
        "constants": json.dumps(
            [{k: v for k, v in c.constants.items() if not isinstance(v, np.ndarray)} for c in file.cases]
        ),
    }
    return arrays, metadata


def write_safetensors(source: Path, target: Path) -> None:
    """Write the ``.safetensors`` twin of a golden file: the same bytes whenever it is the same file."""
    arrays, metadata = bulk(source)
    saved = import_module("safetensors.numpy").save(arrays, metadata)
    size = int.from_bytes(saved[:8], "little")
    header = json.loads(saved[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))  # the library writes them in random order
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
    target.write_bytes(saved[:8] + text + saved[8 + size :])


def export(directory: str | Path, format: str = "json", operations: Iterable[str] | None = None) -> list[Path]:
    """Write golden files, by default all, to ``directory`` as "json", "safetensors" or "npz"; returns the paths.

    No format holds pickles. Beside the files lies their SHA256SUMS; beside the JSON its schema, too, and the
    standard-library reader.

    Raises ValueError for an unknown format.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, got {format!r}")
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names() if operations is None else sorted(operations):
        path, source = target / f"{name}.{format}", path_of(name)
        if format == "json":
            path.write_bytes(content(source))
        elif format == "safetensors":
            write_safetensors(source, path)
        else:
            arrays, metadata = bulk(source)
            texts = {f"metadata.{k}": np.array(v) for k, v in metadata.items()}
            save: Any = np.savez_compressed  # its stub takes the arrays for its option allow_pickle
            save(path, **arrays, **texts)
        written.append(path)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in written]
    (target / "SHA256SUMS").write_text("".join(sums), "utf-8", newline="\n")
    for name in ("schema.json", "reader.py") if format == "json" else ():
        shutil.copyfile(Path(__file__).parent / name, target / name)
    return written
