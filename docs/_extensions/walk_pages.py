"""Pages and tables made from the walk of the package at build time: a new operation gets its page by itself."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import attention_figures
import densities
import loss_figures
import sampler_figures
from sphinx.addnodes import pending_xref
from sphinx.util.inspect import stringify_signature

import refengine
from refengine import domains
from refengine._walk import NOT_FAMILIES, Operation, find, modules
from refengine.golden._text import content, path_of
from validation.flags import FLAGS

HERE = Path(__file__).parents[1]
FINDINGS = HERE.parent / "validation" / "peers" / "trophies.md"
# Names of other projects in annotations; they have no pages here.
FOREIGN = re.compile(r"(collections\.abc|numpy|np|pathlib|types|typing|xp|pytest|_pytest)\b.*|Path|Iterator|Callable")

HOMES: dict[str, str] = {}
"""The page of every documented thing, by the name under which it was defined; `generate` fills it."""


def title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def table(header: Iterable[str], rows: Iterable[Iterable[str]], widths: str = "auto") -> str:
    """A list-table; cells are reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (header, *rows):
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n\n"


def summary(thing: Any) -> str:
    """The first paragraph of a docstring."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def families() -> Iterator[str]:
    for family in pkgutil.iter_modules(refengine.__path__):
        if family.ispkg and family.name not in NOT_FAMILIES:
            yield family.name


@cache
def golden(path: str) -> tuple[int, dict[str, int], int] | None:
    """Cases, cases by flag, and cases with another convention, of an operation's golden file."""
    file = path_of(path)
    if not file.exists():
        return None
    cases = json.loads(content(file))["cases"]
    flags = Counter(flag for case in cases for flag in case["flags"])
    return len(cases), dict(sorted(flags.items())), sum(bool(case["alternatives"]) for case in cases)


def page_of(operation: Operation, text: str) -> str:
    return f":py:func:`{text} <{operation.function.__module__}.{operation.name}>`"


def documented(module: Any, homes: dict[str, str]) -> str:
    """An automodule that leaves out, with a link, what stands on another page."""
    elsewhere = []
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        own = f"{getattr(thing, '__module__', module.__name__)}.{name}"
        if homes.setdefault(own, module.__name__) != module.__name__:
            elsewhere.append((name, homes[own]))
    body = f".. automodule:: {module.__name__}\n   :members:\n   :imported-members:\n"
    if elsewhere:
        body += f"   :exclude-members: {', '.join(name for name, _ in elsewhere)}\n\n"
        links = ", ".join(f":py:obj:`{name} <{home}.{name}>`" for name, home in elsewhere)
        body += f"Documented elsewhere: {links}.\n"
    return body + "\n"


def module_page(module: Any, homes: dict[str, str]) -> str:
    name = module.__name__.removeprefix("refengine.")
    return title(name) + shown(name) + documented(module, homes)


def shown(name: str) -> str:
    """The picture of a module with what it shows, "" where there is none."""
    for family in (densities, loss_figures, attention_figures, sampler_figures):
        drawn = family.picture(name)
        if drawn is not None:
            file, caption = drawn
            return f".. figure:: /_generated/{file}\n   :alt: {caption.replace('`', '')}\n\n   {caption}\n\n"
    return ""


def api(homes: dict[str, str]) -> str:
    """The names that are no operations."""
    sections = {"Top level": "refengine", "Golden vectors": "refengine.golden", "Testing": "refengine.testing"}
    return "".join(title(head, "-") + documented(import_module(name), homes) for head, name in sections.items())


def own_names(package: Any, homes: dict[str, str]) -> list[str]:
    """What a package exports from its private files, and no page has yet."""
    homes_of = {name: getattr(getattr(package, name), "__module__", "") for name in getattr(package, "__all__", ())}
    private = {name: home for name, home in homes_of.items() if home.startswith(f"{package.__name__}._")}
    return [name for name, home in private.items() if f"{home}.{name}" not in homes]


def with_own_names(package: Any, homes: dict[str, str]) -> str:
    """The names that are functions and classes of a package itself."""
    body = ""
    for name in own_names(package, homes):
        thing = getattr(package, name)
        homes[f"{thing.__module__}.{name}"] = package.__name__
        kind = "autoclass" if inspect.isclass(thing) else "autofunction"
        members = "   :members:\n" if inspect.isclass(thing) else ""
        body += f".. {kind}:: {package.__name__}.{name}\n{members}\n"
    return body


def introduction(package: Any) -> str:
    """The docstring of a package, whose names mean its own."""
    return f".. py:currentmodule:: {package.__name__}\n\n{inspect.getdoc(package) or ''}\n\n"


def package_page(package: Any, homes: dict[str, str]) -> str:
    """A package below a family whose functions stand in private files."""
    name = package.__name__.removeprefix("refengine.")
    return title(name) + shown(name) + introduction(package) + with_own_names(package, homes)


def packages_below(family: str) -> Iterator[Any]:
    """The packages of a family that export names of their own."""
    found = pkgutil.walk_packages(import_module(f"refengine.{family}").__path__, f"refengine.{family}.")
    yield from (import_module(info.name) for info in found if info.ispkg)


def family_page(family: str, files: list[Any], homes: dict[str, str]) -> str:
    package = import_module(f"refengine.{family}")
    names = [m.__name__.removeprefix("refengine.") for m in files]
    body = title(family) + introduction(package)
    if not files:
        return body + "This version has no operations in this family.\n"
    body += table(("Module", "What it holds"), ((f":doc:`{n}`", summary(m)) for n, m in zip(names, files, strict=True)))
    body += ".. toctree::\n   :hidden:\n\n" + "".join(f"   {name}\n" for name in names) + "\n"
    return body + with_own_names(package, homes)


def families_table() -> str:
    """The families with what they hold, and their pages for the sidebar."""
    count = Counter(path.partition(".")[0] for path in find())
    rows = (
        (f":doc:`{family} </reference/{family}>`", summary(import_module(f"refengine.{family}")), str(count[family]))
        for family in families()
    )
    pages = "".join(f"   /reference/{family}\n" for family in families())
    return table(("Family", "What it holds", "Operations"), rows) + ".. toctree::\n   :hidden:\n\n" + pages


def domains_page() -> str:
    body = title("refengine.domains") + (inspect.getdoc(domains) or "") + "\n\n.. py:module:: refengine.domains\n\n"
    body += f".. py:type:: Array\n\n   {summary_of_array()}\n\n"
    for name, value in vars(domains).items():
        if hasattr(value, "__metadata__"):
            body += f".. py:type:: {name}\n\n   An array of {value.__metadata__[0]}.\n\n"
    return body


def summary_of_array() -> str:
    source = inspect.getsource(domains)
    found = re.search(r'^Array: TypeAlias = Any\n"""(.+?)"""', source, re.M | re.S)
    return " ".join(found[1].split()) if found else ""


def coverage_table() -> str:
    body, marks = "", {"own kernel": "own kernel", "shared text": "shared"}
    for family in families():
        rows = []
        for path, operation in find().items():
            if path.startswith(f"{family}."):
                backends = operation.coverage()
                cases = golden(path)
                rows.append(
                    (
                        page_of(operation, path.removeprefix(f"{family}.")),
                        "reference",
                        marks[backends["numba"]],
                        marks[backends["cupy"]],
                        "yes" if operation.has_vjp else "none",
                        str(cases[0]) if cases else "none",
                    )
                )
        if rows:
            body += title(family, "-") + table(("Operation", "NumPy", "numba", "CuPy", "Gradient", "Cases"), rows)
    return body


def flags_table() -> str:
    total = Counter[str]()
    for path in find():
        total.update((golden(path) or (0, {}, 0))[1])
    rows = ((f"``{name}``", f["bug"], f["effect"], str(total[name])) for name, f in FLAGS.items())
    return table(("Flag", "The mistake", "What it does", "Cases"), rows, "22 40 30 8")


def accuracy_table() -> str:
    """What `refengine verify --report docs/accuracy.json` wrote."""
    file = HERE / "accuracy.json"
    if not file.exists():
        return (
            ".. note::\n\n   This build has no report. ``refengine verify --report docs/accuracy.json`` writes the "
            "file that this page shows.\n"
        )
    report = json.loads(file.read_text("utf-8"))
    outcomes = report["outcomes"]
    total = f"refengine {report['refengine']}: {len(outcomes)} rows, {sum(o['cases'] for o in outcomes)} cases.\n"
    rows = [
        (
            f"``{o['operation']}``",
            o["backend"],
            str(o["cases"]),
            f"{float(o['median']):.2f}",
            f"{float(o['worst']):.2f}",
            o.get("status", f"{len(o.get('failures', ()))} failures"),
        )
        for o in sorted(outcomes, key=lambda o: (o["operation"], o["backend"]))
    ]
    return total + "\n" + table(("Operation", "Backend", "Cases", "Median", "Worst", "Result"), rows)


def command_line() -> str:
    """The help text of every command, from the command itself."""
    try:
        import click

        commands = import_module("refengine.cli.commands").cli
    except ImportError as error:
        return f".. note::\n\n   The help text could not be read in this build: {error}.\n"

    def sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
        context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=90)
        text = "\n".join(f"   {line}".rstrip() for line in command.get_help(context).splitlines())
        yield title(context.command_path, "-") + f".. code-block:: text\n\n{text}\n\n"
        for child in getattr(command, "commands", {}):
            yield from sections(command.commands[child], child, context)  # type: ignore[attr-defined]

    return "".join(sections(commands, "refengine", None))


def findings() -> str:
    """The list of mistakes found in other libraries: its Markdown has headings, paragraphs and fenced code only."""
    out, code = [], False
    for line in FINDINGS.read_text("utf-8").splitlines():
        if line.startswith("```"):
            code = not code
            out += ["", f".. code-block:: {line[3:] or 'text'}", ""] if code else [""]
        elif code:
            out.append(f"   {line}".rstrip())
        elif line.startswith("## "):
            out.append(title(line[3:], "-"))
        elif line.startswith("# "):
            out.append(title(line[2:]))
        else:
            out.append(re.sub(r"`([^`]+)`", r"``\1``", line))
    return "\n".join(out) + "\n"


def write(pages: dict[str, str]) -> None:
    """Write what changed and delete what is no longer made, so that a second build reads little."""
    made = {HERE / name for name in pages}
    for folder in ("reference", "_generated"):
        (HERE / folder).mkdir(exist_ok=True)
        for path in (HERE / folder).iterdir():
            if path not in made and path.suffix == ".rst":
                path.unlink()
    for name, text in pages.items():
        path = HERE / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def at_home(app: Any, doctree: Any) -> None:
    """A class that several modules export is documented in one of them: its short name leads there from all."""
    for node in doctree.findall(pending_xref):
        name, module = node.get("reftarget", ""), node.get("py:module")
        thing = getattr(import_module(module), name, None) if module and name.isidentifier() else None
        home = HOMES.get(f"{getattr(thing, '__module__', '')}.{name}")
        if home is not None:
            node["reftarget"] = f"{home}.{name}"


def generate(app: Any) -> None:
    files, homes = list(modules()), HOMES
    homes.clear()
    pages = {
        "_generated/api.rst": api(homes),
        "reference/domains.rst": domains_page(),
        "_generated/coverage.rst": coverage_table(),
        "_generated/flags.rst": flags_table(),
        "_generated/accuracy.rst": accuracy_table(),
        "_generated/cli.rst": command_line(),
        "_generated/findings.rst": findings(),
    }
    for family in families():
        mine = [m for m in files if m.__name__.startswith(f"refengine.{family}.")]
        mine = [m for m in mine if not m.__name__.rpartition(".")[2].startswith("_")]
        pages |= {f"reference/{m.__name__.removeprefix('refengine.')}.rst": module_page(m, homes) for m in mine}
        below = [package for package in packages_below(family) if own_names(package, homes)]
        pages |= {f"reference/{p.__name__.removeprefix('refengine.')}.rst": package_page(p, homes) for p in below}
        pages[f"reference/{family}.rst"] = family_page(family, [*mine, *below], homes)
    pages["_generated/families.rst"] = families_table()
    write(pages)


def add_facts(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Below an operation's docstring: its domains, its golden vectors, its backends."""
    operation = next((o for o in find().values() if o.function is thing), None) if what == "function" else None
    if operation is None:
        return
    by_domain: dict[str, list[str]] = {}
    for argument, domain in operation.domains.items():
        by_domain.setdefault(str(domain), []).append(f"``{argument}``")
    said = "; ".join(f"{', '.join(names)}: {domain}" for domain, names in by_domain.items())
    coverage = operation.coverage()
    facts = {"Domains": said, "Backends": f"numba: {coverage['numba']}; cupy: {coverage['cupy']}"}
    cases = golden(operation.path)
    if cases:
        count, flags, other = cases
        facts["Golden vectors"] = f"``{operation.path}``, {count} cases" + (
            f", {other} of them with another convention's answer" if other else ""
        )
        known = ", ".join(f"``{flag}`` {n}" for flag, n in flags.items() if flag in FLAGS)
        if known:
            facts["Flags"] = known
    lines += ["", *(f":{key}: {text}" for key, text in facts.items() if text), ""]


def skip_fields(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """The fields of a NamedTuple stand in its signature."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def by_name(app: Any, what: str, name: str, thing: Any, options: Any, arguments: str, returns: str) -> Any:
    """A signature as it was written: ``x: Unit``, not what Unit is made of."""
    if what != "function" and not (hasattr(thing, "_fields") or is_dataclass(thing)):
        return None
    signature = inspect.signature(thing)
    made = {}
    if is_dataclass(thing):
        made = {f.name: f.default_factory() for f in fields(thing) if callable(f.default_factory)}
    written = [
        p.replace(annotation=_written(p.annotation), default=made.get(p.name, p.default))
        for p in signature.parameters.values()
    ]
    result = signature.return_annotation if what == "function" else signature.empty
    text = stringify_signature(signature.replace(parameters=written, return_annotation=result))
    arguments, _, returns = text.rpartition(" -> ") if " -> " in text else (text, "", "")
    return arguments, returns or None


def _written(annotation: Any) -> Any:
    return getattr(annotation, "__forward_arg__", annotation)


def resolve(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Names as their module knows them: domains by their short name, imported names at their home.

    A name that exists but has no page stays as code; a name that does not exist remains a warning.
    """
    target, module = node.get("reftarget", ""), node.get("py:module")
    if node.get("refdomain") != "py":
        return None
    if FOREIGN.fullmatch(target):
        return contnode
    found = lookup(module, target)
    if found is None:
        return contnode if node["reftype"] == "obj" and module and target in arguments_of(module) else None
    for home in (f"refengine.domains.{target}", getattr(found, "__module__", "") + f".{target}"):
        link = env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, contnode)
        if link is not None:
            return link
    return contnode


def arguments_of(module: str) -> set[str]:
    """The argument names of the functions of a module."""
    functions = [f for f in vars(import_module(module)).values() if inspect.isfunction(f)]
    return {name for f in functions for name in inspect.signature(f).parameters}


def lookup(module: str | None, target: str) -> Any:
    """What a name means in a module or in the private ones that it exports from, in refengine, or by itself."""
    private = [name for name in sys.modules if module and name.startswith(f"{module}._")]
    for start in (module, *private, "refengine", None):
        found = thing_at(f"{start}.{target}" if start else target)
        if found is not None:
            return found
    return None


def thing_at(dotted: str) -> Any:
    """The module, or the thing in a module, of a dotted name; None where there is none."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            thing = import_module(".".join(parts[:cut]))
        except (ImportError, ValueError):
            continue
        for part in parts[cut:]:
            thing = getattr(thing, part, None)
        return thing
    return None


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("autodoc-process-docstring", add_facts)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-signature", by_name)
    app.connect("missing-reference", resolve)
    app.connect("doctree-read", at_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
