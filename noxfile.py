"""The one runner: ``nox -s lint|test|docs|golden|bench``. Words after ``--`` go to the tool."""

import nox

nox.options.sessions = ["lint", "test", "docs"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def lint(session: nox.Session) -> None:
    """Style and static types."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def test(session: nox.Session) -> None:
    """Tests and doctests."""
    session.install("-e", ".[test,peers]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def golden(session: nox.Session) -> None:
    """Certify golden files again: all, or the operations that match the globs after ``--``."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "validation.generate", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmarks against the reference and against other libraries."""
    session.install("-e", ".[test,peers]")
    session.run("python", "-m", "validation.benchmarks", *session.posargs)
