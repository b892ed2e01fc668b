"""The golden format: what is written is read, and nothing else is."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import re
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from refengine import golden
from refengine.golden import GoldenFormatError, reader
from refengine.golden._export import bulk, write_safetensors
from refengine.golden._format import encode_case, parse, serialise, uid
from refengine.golden._text import content, path_of, write

OPERATION = "special.log_beta"
SOURCE = path_of(OPERATION)


def some_operations():
    """Every operation when they are few, else ones spread over the whole list."""
    names = golden.operations()
    return names[:: max(1, len(names) // 6)][:6]


@pytest.fixture
def node():
    """A golden file of three cases as a JSON object, to be broken."""
    whole = json.loads(content(SOURCE))
    return {**whole, "cases": whole["cases"][:3], "numberOfCases": 3}


@pytest.fixture
def copied(tmp_path):
    """A few cases in both layers with their hashes, to be altered."""
    file, path = golden.load(OPERATION), tmp_path / f"{OPERATION}.json"
    write(path, serialise(replace(file, cases=file.cases[:12])))
    write_safetensors(path, path.with_suffix(".safetensors"))
    write_sums(tmp_path)
    return path


def write_sums(directory):
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n"
        for p in directory.iterdir()
        if p.name != "SHA256SUMS"
    ]
    (directory / "SHA256SUMS").write_text("".join(lines), "utf-8")


@pytest.mark.parametrize("name", some_operations())
def test_round_trip(name):
    text = content(path_of(name)).decode()
    assert serialise(parse(text, name)) == text


@pytest.mark.parametrize("name", some_operations())
def test_validate_shipped(name):
    assert golden.validate(path_of(name)) == ("hash", "format", "schema", "canonical")


def test_compressed_is_the_same_text_and_the_same_bytes(tmp_path):
    text = content(SOURCE).decode()
    for name in ("a.json.gz", "b.json.gz", "c.json"):
        write(tmp_path / name, text)
        assert content(tmp_path / name).decode() == text
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_damaged_compression_is_named(tmp_path):
    raw, path = SOURCE.read_bytes(), tmp_path / SOURCE.name
    for broken in (raw[:-20], raw[:40], b"", raw[:200] + bytes(50) + raw[250:], b"no gzip"):
        path.write_bytes(broken)
        with pytest.raises(GoldenFormatError, match=r"special\.log_beta\.json"):
            golden.read(path)


def test_sums_name_every_file():
    golden._validate.validate_sums()


def test_uid_is_stable_for_ever():
    assert golden.load(OPERATION).cases[0].uid == "6c05a4b72d026a9a"
    case = {
        "arguments": {"x": {"dtype": "float64", "shape": [], "data": ["0x1.0000000000000p+0"]}},
        "constants": {"scale": 64.0},
        "cotangent": {"dtype": "float64", "shape": [], "data": ["0x1.0000000000000p+0"]},
    }
    assert uid("losses.some.loss", "default", case) == "a5f32a7f01cedc9b"
    assert uid("losses.some.loss", "torch", case) != uid("losses.some.loss", "default", case)
    assert uid("losses.some.loss", "default", dict(reversed(case.items()))) == "a5f32a7f01cedc9b"


def test_uids_are_unique():
    texts = [content(path_of(operation)).decode() for operation in golden.operations()]
    uids = [uid for text in texts for uid in re.findall(r'"uid":"([0-9a-f]{16})"', text)]
    assert len(uids) == sum(golden.header(operation)["numberOfCases"] for operation in golden.operations())
    assert [uid for uid, count in Counter(uids).items() if count > 1] == []


def test_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        golden.load(OPERATION).cases[0].arguments["a"][...] = 2.0


def test_infinite_constants_survive():
    case = golden.load(OPERATION).cases[0]
    constants = {"high": np.inf, "low": -np.inf, "n": 3, "name": "x", "window": [1, 2], "w": np.array([0.5, 2.0])}
    changed = type(case)(**{**vars(case), "constants": constants, "uid": ""})
    changed = type(case)(**{**vars(changed), "uid": uid(OPERATION, "default", encode_case(changed))})
    file = type(golden.load(OPERATION))(**{**vars(golden.load(OPERATION)), "cases": (changed,)})
    found = parse(serialise(file), "here").cases[0].constants
    assert found.pop("w").tolist() == constants.pop("w").tolist()
    assert found == constants


def test_unknown_names_list_the_choices():
    with pytest.raises(ValueError, match=r"special\.log_beta"):
        golden.load("special.no_such")
    with pytest.raises(ValueError, match="default"):
        golden.load(OPERATION, "no_such")


def _set(*path, value):
    def change(node):
        *steps, last = path
        for step in steps:
            node = node[step]
        node[last] = value

    return change


def _drop(*path):
    def change(node):
        *steps, last = path
        for step in steps:
            node = node[step]
        del node[last]

    return change


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (_set("schema", value="refengine-golden/2"), "refengine-golden/2"),
        (_drop("schema"), "schema is None"),
        (_drop("notes"), "'notes' missing"),
        (_set("extra", value=1), "'extra' unknown"),
        (_set("notes", value=[]), "notes"),
        (_set("numberOfCases", value=4), "numberOfCases is 4, 3 cases follow"),
        (_set("cases", value=None), "file.json"),
        (_set("cases", 1, value=7), r"cases\[1\]"),
        (_set("cases", 1, "uid", value="0" * 16), r"cases\[1\].*uid"),
        (_set("cases", 1, "result", value="maybe"), r"cases\[1\].*maybe"),
        (_set("cases", 1, "difficulty", value=9), r"cases\[1\].*difficulty"),
        (_set("cases", 1, "flags", value="KINK"), r"cases\[1\].*flags"),
        (_set("cases", 1, "comment", value=""), r"cases\[1\].*'comment' unknown"),
        (_drop("cases", 1, "value"), r"cases\[1\].*'value' missing"),
        (_drop("cases", 1, "value", "lo"), r"cases\[1\]\.value\.value.*'lo' missing"),
        (_drop("cases", 1, "gradients", "a", "radius"), r"cases\[1\]\.gradients\.a.*'radius' missing"),
        (_drop("cases", 1, "cotangent"), r"cases\[1\].*'cotangent' missing"),
        (_set("cases", 1, "value", "hi", "data", value=["1.5"]), r"cases\[1\]\.value.*hexadecimal"),
        (_set("cases", 1, "value", "hi", "data", value=[1.5]), r"cases\[1\]\.value.*must be str"),
        (_set("cases", 1, "value", "hi", "data", value=["0x1.zp+0"]), r"cases\[1\]\.value"),
        (_set("cases", 1, "value", "hi", "data", value=["0x1.0000000000000p+9999"]), r"cases\[1\]\.value"),
        (_set("cases", 1, "value", "hi", "data", value=[]), r"cases\[1\]\.value.*needs 1 numbers, got 0"),
        (_set("cases", 1, "value", "hi", "shape", value=[-1]), r"cases\[1\]\.value.*whole numbers"),
        (_set("cases", 1, "value", "hi", "dtype", value="float16"), r"cases\[1\]\.value.*float16"),
        (_set("cases", 1, "value", "lo", "data", value=["0x1.0000000000000p+0"]), r"cases\[1\]\.value.*rounded"),
        (_set("cases", 1, "value", "radius", "data", value=["-0x1.0000000000000p-99"]), r"cases\[1\]\.value.*negative"),
        (_set("cases", 1, "value", "lo", "shape", value=[1]), r"cases\[1\]\.value.*differ in shape"),
        (_set("cases", 1, "condition", "value", "shape", value=[1]), r"cases\[1\].*condition\.value has the shapes"),
        (_set("cases", 1, "alternatives", value={"torch": {}}), r"cases\[1\]\.alternatives\.torch"),
    ],
)
def test_malformed(node, change, place):
    change(node)
    with pytest.raises(GoldenFormatError, match=place) as raised:
        parse(json.dumps(node), "file.json")
    assert str(raised.value).startswith("file.json")


def test_the_unbroken_node_is_read(node):
    assert len(parse(json.dumps(node), "file.json").cases) == 3


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{", '{"schema": 1, "schema": 2}', '{"schema": NaN}', "[" * 200_000],
    ids=["empty", "null", "list", "open", "repeated", "NaN", "deep"],
)
def test_not_a_golden_file(text):
    with pytest.raises(GoldenFormatError, match=r"^file\.json"):
        parse(text, "file.json")


def test_schema_agrees_with_the_reader(node):
    """Whatever the strict reader refuses for its form, the schema refuses, but for what a schema cannot say."""
    golden._validate._check_schema(json.dumps(node), "file.json")
    for change in (_set("extra", value=1), _drop("cases", 1, "value", "lo"), _set("cases", 1, "difficulty", value=9)):
        broken = copy.deepcopy(node)
        change(broken)
        with pytest.raises(GoldenFormatError, match=r"^file\.json: "):
            golden._validate._check_schema(json.dumps(broken), "file.json")


def test_schema_names_the_place(node):
    node["cases"][2]["gradients"]["b"]["hi"]["data"] = [0.5]
    with pytest.raises(GoldenFormatError, match=r"cases\[2\]\.gradients\.b\.hi\.data"):
        golden._validate._check_schema(json.dumps(node), "file.json")


def test_truncated(copied):
    content, rng = copied.read_bytes(), random.Random(1)
    for length in [0, 1, len(content) - 2, *(rng.randrange(len(content)) for _ in range(40))]:
        copied.write_bytes(content[:length])
        with pytest.raises(GoldenFormatError, match=r"special\.log_beta\.json"):
            golden.read(copied)


def test_bit_flips(copied):
    """Each flipped bit is caught by the hash, and never by anything but a GoldenFormatError."""
    content, rng = copied.read_bytes(), random.Random(2)
    for _ in range(40):
        at, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        copied.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        with pytest.raises(GoldenFormatError, match=r"special\.log_beta\.json"):
            golden.validate(copied)


def test_flips_behind_a_right_hash(copied):
    """With the hash made right again, format, schema, canonical text or twin catch the flip."""
    content, rng = copied.read_bytes(), random.Random(3)
    for _ in range(12):
        at, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        copied.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        write_sums(copied.parent)
        with pytest.raises(GoldenFormatError, match=r"special\.log_beta\.(json|safetensors)"):
            golden.validate(copied)


def test_load_checks_the_hash(copied, monkeypatch):
    packed = copied.with_name(f"{copied.name}.gz")
    write(packed, copied.read_text("utf-8"))
    monkeypatch.setattr("refengine.golden._text.DATA", copied.parent)
    golden.load.cache_clear()
    try:
        assert golden.load(OPERATION).operation == OPERATION
        golden.load.cache_clear()
        write(packed, copied.read_text("utf-8").replace('"0.1.0"', '"0.1.1"'))
        with pytest.raises(GoldenFormatError, match=r"special\.log_beta\.json: the sha256 differs"):
            golden.load(OPERATION)
    finally:
        golden.load.cache_clear()


def test_twin_is_compared_bit_for_bit(copied):
    twin = copied.with_suffix(".safetensors")
    content = twin.read_bytes()
    twin.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    write_sums(copied.parent)
    with pytest.raises(GoldenFormatError, match=r"log_beta\.safetensors: .* differs from special\.log_beta\.json"):
        golden.validate(copied)
    twin.write_bytes(content[:100])
    with pytest.raises(GoldenFormatError, match=r"log_beta\.safetensors"):
        golden.validate(copied)
    twin.unlink()
    assert "twin" not in golden.validate(copied)


def test_not_canonical(copied):
    copied.write_text(json.dumps(json.loads(copied.read_text("utf-8"))), "utf-8")
    write_safetensors(copied, copied.with_suffix(".safetensors"))
    write_sums(copied.parent)
    with pytest.raises(GoldenFormatError, match="line 1 is not written canonically"):
        golden.validate(copied)


def test_not_text(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'{"schema": "\xff"}')
    for function in (golden.read, golden.validate):
        with pytest.raises(GoldenFormatError, match=r"x\.json: byte 12 is not UTF-8"):
            function(path)


@pytest.mark.parametrize("name", some_operations())
def test_standard_library_reader_agrees(name):
    def same(leaf, nested):
        if isinstance(leaf, golden.Certified):
            pairs = np.array(nested, dtype=np.float64).reshape((*leaf.hi.shape, 2))
            return np.array_equal(pairs[..., 0], leaf.hi, True) and np.array_equal(pairs[..., 1], leaf.lo, True)
        return np.array_equal(np.array(nested, dtype=leaf.dtype).reshape(leaf.shape), leaf, leaf.dtype.kind == "f")

    def named(part, leaves):
        return {"value": part} if list(leaves) == ["value"] else part

    file = golden.load(name)
    read = list(reader.cases(path_of(name)))
    assert len(read) == len(file.cases)
    for case, node in islice(zip(file.cases, read, strict=True), 60):
        assert (case.id, case.uid, list(case.flags), case.result) == tuple(
            node[key] for key in ("id", "uid", "flags", "result")
        )
        for key in ("arguments", "cotangent", "value", "gradients"):
            leaves = getattr(case, key)
            part = node[key] if key in ("arguments", "gradients") else named(node[key], leaves)
            assert part.keys() == leaves.keys()
            assert all(same(leaf, part[leaf_name]) for leaf_name, leaf in leaves.items())
        part = named(node["condition"]["value"], case.condition)
        assert all(same(leaf, part[leaf_name]) for leaf_name, leaf in case.condition.items())


def test_standard_library_reader_stands_alone():
    source = (golden.DATA.parent / "reader.py").read_text("utf-8")
    imports = set(re.findall(r"^(?:from|import) ([\w.]+)", source, re.M))
    assert imports == {"__future__", "gzip", "json", "collections.abc", "os", "typing"}
    assert source.count("\n") <= 60


def test_standard_library_reader_refuses_other_schemas(tmp_path):
    (tmp_path / "x.json").write_text('{"schema": "other/1", "cases": []}')
    with pytest.raises(ValueError, match="other/1"):
        next(reader.cases(tmp_path / "x.json"))


@pytest.mark.parametrize("format", ["json", "safetensors", "npz"])
def test_export(tmp_path, format):
    path = tmp_path / "new" / f"{OPERATION}.{format}"
    assert golden.export(tmp_path / "new", format, [OPERATION]) == [path]
    arrays, metadata = bulk(SOURCE)
    if format == "json":
        assert golden.validate(path) == ("hash", "format", "schema", "canonical")
    elif format == "safetensors":
        write_safetensors(SOURCE, tmp_path / "again")
        assert path.read_bytes() == (tmp_path / "again").read_bytes()
    else:
        with np.load(path, allow_pickle=False) as file:
            assert set(file) == arrays.keys() | {f"metadata.{k}" for k in metadata}
            assert all(file[name].tobytes() == array.tobytes() for name, array in arrays.items())
            assert str(file["metadata.sha256"]) == hashlib.sha256(content(SOURCE)).hexdigest()


def test_export_everything(tmp_path):
    written = golden.export(tmp_path)
    assert [path.name for path in written] == [f"{name}.json" for name in golden.operations()]
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in written} == {
        "SHA256SUMS",
        "schema.json",
        "reader.py",
    }


def test_export_format_must_be_known(tmp_path):
    with pytest.raises(ValueError, match="'pickle'"):
        golden.export(tmp_path, "pickle")
