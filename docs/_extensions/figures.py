"""The pictures of the pages, computed when the documentation is built."""

from __future__ import annotations

from importlib import import_module, util
from pathlib import Path
from typing import Any

import drawing
import numpy as np
from scipy import stats
from scipy.special import gammaln

from refengine.special import log_beta
from validation.exact.number import lgamma, log, number, working_precision

HERE = Path(__file__).parents[1]
TARGET = drawing.FOLDER / "beta_density_error.svg"
SAMPLERS = ("samplers", "samplers.adaptation", "samplers.diagnostics", "samplers.targets")
EXAMPLES = {"estimation": "estimation.svg"}  # scripts of docs/example with a figure of their own


def exact(a: float) -> float:
    """The logarithm of the density of Beta(a, a) at 1/2, from its definition."""
    with working_precision(400):
        log_b = 2 * lgamma(number(a)) - lgamma(2 * number(a))
        return float(2 * (number(a) - 1) * log(number(0.5)) - log_b)


def at_half(a: np.ndarray, log_b: np.ndarray) -> np.ndarray:
    return 2 * (a - 1) * np.log(0.5) - log_b


def reference(a: np.ndarray) -> np.ndarray:
    """The library's own log density; from its log-beta where a version has no Beta distribution."""
    try:
        beta = import_module("refengine.distributions.beta")
    except ImportError:
        return at_half(a, log_beta(a, a))
    return np.asarray(beta.log_prob(0.5, a, a))


def draw(app: Any) -> None:
    """Draw the figure."""
    pyplot = drawing.pyplot()
    a = np.round(np.logspace(0, 15, 240), 6)
    truth = np.array([exact(v) for v in a])
    lines = {
        "three log-gammas": (at_half(a, 2 * gammaln(a) - gammaln(2 * a)), "#e2a19b", 6),
        "scipy.stats.beta.logpdf": (stats.beta.logpdf(0.5, a, a), "#8c2d19", 2),
        "refengine": (reference(a), "#1f5f8b", 3),
    }
    figure, axes = pyplot.subplots(figsize=(7.6, 3.7), layout="constrained")
    for name, (value, colour, size) in lines.items():
        error = np.abs(np.expm1(np.clip(value - truth, -700, 50)))
        axes.loglog(a, np.clip(error, 1e-17, 1e3), ".", markersize=size, color=colour, label=name)
    axes.axhline(1, color="0.6", linewidth=0.8)
    axes.text(1, 2, "no correct digit", color="0.4", fontsize=8)
    axes.set(xlabel="a", ylabel="relative error of the density", ylim=(1e-17, 1e3))
    axes.set_title("Beta(a, a) at x = 1/2, in float64", fontsize=10)
    axes.grid(True, color="0.92")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.82), frameon=False, fontsize=9, markerscale=2)
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, metadata={"Date": None})
    pyplot.close(figure)


def script_of(name: str) -> Any:
    """A script of docs/example as a module."""
    spec = util.spec_from_file_location(name, HERE / "example" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    script = util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def draw_examples(app: Any) -> None:
    """Let the scripts draw theirs."""
    for name, picture in EXAMPLES.items():
        script_of(name).draw(TARGET.parent / picture)


def train_examples(app: Any) -> None:
    """The figures and tables of the examples that learn, which take half a minute each: when what they use changed."""
    train("digits", ("losses",), digits="draw")
    train("attention", ("attention", "losses"), attention="draw", attention_variance="draw_variances")
    train("posterior", SAMPLERS, posterior="draw", posterior_chains="draw_chains")


def train(name: str, families: tuple[str, ...], **pictures: str) -> None:
    """A script of docs/example: its table, and its pictures with the functions that draw them."""
    table = drawing.FOLDER / f"{name}_table.txt"
    targets = {drawing.FOLDER / f"{picture}.svg": function for picture, function in pictures.items()}
    packages = (Path(str(import_module(f"refengine.{family}").__file__)).parent for family in families)
    sources = (HERE / "example" / f"{name}.py", *(file for package in packages for file in package.glob("*.py")))
    if all(drawing.made_before(made, sources) for made in (table, *targets)):
        return
    script = script_of(name)
    found = script.compare()
    for target, function in targets.items():
        getattr(script, function)(target, found)
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (script.HEADER, *script.rows(found)):
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    table.write_text("\n".join(lines) + "\n", "utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", draw)
    app.connect("builder-inited", draw_examples)
    app.connect("builder-inited", train_examples)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
