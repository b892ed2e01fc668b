"""Other people's functions on golden cases: found by name, called with their framework's arrays, differentiated."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from refengine._call import bind
from refengine._walk import Operation
from refengine.golden import Case
from refengine.testing._assess import Assessment, assess, by_name

FRAMEWORKS = ("torch", "jax")


def imported(module: str) -> Any:
    """The module; ImportError whatever happens in it. What it prints goes to stderr: stdout is for the results."""
    try:
        with redirect_stdout(sys.stderr):
            return import_module(module)
    except (Exception, SystemExit) as error:
        raise ImportError(f"cannot import {module}: {type(error).__name__}: {error}") from None


def find_target(target: str) -> Callable[..., Any]:
    """The function that ``package.module:attribute`` names; ValueError or ImportError says what is wrong with it."""
    module, colon, path = target.partition(":")
    if not (module and colon and path):
        raise ValueError(f"TARGET must be package.module:attribute, got {target!r}")
    found: Any = imported(module)
    for name in path.split("."):
        if not hasattr(found, name):
            raise ValueError(f"{getattr(found, '__name__', module)} has no attribute {name!r}")
        found = getattr(found, name)
    if not callable(found):
        raise ValueError(f"{target} cannot be called: {type(found).__name__}")
    return found  # type: ignore[no-any-return]


_IN_BRACES = re.compile(r"\{([\w.]+)\}")


@dataclass(frozen=True)
class Mapped:
    """How a case's inputs turn into a call: ``"x={x},a={a}"`` or ``"{a},1-{b}"``, any expression of the names."""

    text: str

    def __call__(self, inputs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        names: dict[str, Any] = {}

        def place(match: re.Match[str]) -> str:
            if match[1] not in inputs:
                raise ValueError(f"--arguments names {match[1]!r}, the case has {', '.join(inputs)}")
            names[f"input_{len(names)}"] = inputs[match[1]]
            return f"(input_{len(names) - 1})"

        text = _IN_BRACES.sub(place, self.text)
        call: tuple[tuple[Any, ...], dict[str, Any]] = eval(
            f"call({text})", {"__builtins__": {}, "call": lambda *args, **keywords: (args, keywords), **names}
        )
        return call

    def check(self, inputs: Collection[str]) -> None:
        """ValueError that says what is wrong with the text, before the first case runs."""
        unknown = [name for name in _IN_BRACES.findall(self.text) if name not in inputs]
        if unknown:
            raise ValueError(f"--arguments names {', '.join(unknown)}; the operation has {', '.join(inputs)}")
        try:
            compile(f"call({_IN_BRACES.sub('(x)', self.text)})", "--arguments", "eval")
        except (SyntaxError, ValueError):  # ValueError: a null character
            raise ValueError(f"--arguments must read like the arguments of a call, got {self.text!r}") from None


@dataclass(frozen=True)
class Target:
    """A function under test, the framework of its arrays ("" for NumPy), and whether it is to be differentiated."""

    function: Callable[..., Any]
    operation: Operation
    framework: str = ""
    gradient: bool = False
    mapped: Mapped | None = None

    def call(self, arguments: Mapping[str, Any], constants: Mapping[str, Any]) -> Any:
        if self.mapped is None:
            args, keywords = bind(self.operation, dict(arguments), dict(constants))
        else:
            args, keywords = self.mapped({**arguments, **constants})
        return self.function(*args, **keywords)

    def assess(self, case: Case, limit: float) -> Assessment:
        """Call the function on one case and judge what comes, an exception too."""
        value, gradients = self.answer(case)
        with _quiet():
            return assess(case, value, gradients, limit=limit)

    def answer(self, case: Case) -> tuple[Any, Any]:
        """The value and the gradients (None: not asked for) to one case, or the exceptions that came instead."""
        differentiate = self.gradient and bool(case.gradients) and case.result in ("required", "ambiguous")
        with _quiet():
            try:
                return _RUN[self.framework](self, case, differentiate)
            except Exception as error:  # the function under test may raise anything; the run goes on
                return error, None
            except SystemExit as error:  # nor may it end the run, with an exit code of its own
                return RuntimeError(f"SystemExit: {error}"), None


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def prepared(framework: str, dtype: str) -> Iterator[None]:
    """Settings of a framework without which it would not compute in the dtype."""
    if framework != "jax":
        yield
        return
    config = import_module("jax").config
    before = config.jax_enable_x64
    config.update("jax_enable_x64", dtype == "float64")
    try:
        yield
    finally:
        config.update("jax_enable_x64", before)


def _arrays(inputs: Mapping[str, Any], make: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    return {k: make(v) if isinstance(v, np.ndarray) else v for k, v in inputs.items()}


def _outputs(case: Case, value: Any) -> dict[str, Any]:
    """The outputs that have a cotangent, by name; none where the value has not the form of the case's."""
    found, problems = by_name(value, list(case.value), "value")
    return {} if problems else {name: found[name] for name in case.cotangent}


def _run_numpy(target: Target, case: Case, differentiate: bool) -> tuple[Any, Any]:
    return target.call(_arrays(case.arguments, np.array), _arrays(case.constants, np.array)), None


def _run_torch(target: Target, case: Case, differentiate: bool) -> tuple[Any, Any]:
    torch: Any = import_module("torch")

    def tensor(array: np.ndarray) -> Any:
        made = torch.tensor(array)
        return made.to(getattr(torch, case.dtype)) if made.is_floating_point() else made

    arguments, constants = _arrays(case.arguments, tensor), _arrays(case.constants, tensor)
    if not differentiate:
        return target.call(arguments, constants), None
    for name in case.gradients:
        arguments[name].requires_grad_()
    value = target.call(arguments, constants)
    outputs = {k: v for k, v in _outputs(case, value).items() if getattr(v, "requires_grad", False)}
    if not outputs:  # no path leads from the arguments to any of them
        return value, dict.fromkeys(case.gradients)
    cotangents = [tensor(case.cotangent[name]).to(output.dtype) for name, output in outputs.items()]
    inputs = [arguments[name] for name in case.gradients]
    try:
        return value, torch.autograd.grad(list(outputs.values()), inputs, cotangents, allow_unused=True)
    except RuntimeError as error:  # a wrong shape, or no derivative: the value is judged all the same
        return value, error


def _run_jax(target: Target, case: Case, differentiate: bool) -> tuple[Any, Any]:
    jax: Any = import_module("jax")

    def array(a: np.ndarray) -> Any:
        return jax.numpy.asarray(a, dtype=case.dtype if a.dtype.kind == "f" else None)

    arguments, constants = _arrays(case.arguments, array), _arrays(case.constants, array)
    if not differentiate:
        return target.call(arguments, constants), None

    def outputs(*inputs: Any) -> tuple[Any, Any]:
        value = target.call(arguments | dict(zip(case.gradients, inputs, strict=True)), constants)
        return tuple(_outputs(case, value).values()), value

    outs, back, value = jax.vjp(outputs, *(arguments[name] for name in case.gradients), has_aux=True)
    try:
        cotangents = [array(case.cotangent[name]).astype(o.dtype) for name, o in zip(case.cotangent, outs, strict=True)]
        return value, back(tuple(cotangents))
    except (TypeError, ValueError) as error:  # as above
        return value, error


_RUN = {"": _run_numpy, "torch": _run_torch, "jax": _run_jax}
