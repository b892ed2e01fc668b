"""Kernels bound to the reference that they implement."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_type_hints

F = TypeVar("F", bound=Callable[..., Any])


def kernel_of(reference: F) -> Callable[[Callable[..., Any]], F]:
    """Mark a backend's function as the kernel of ``reference``: same arguments, same documentation, same static type.

    Raises TypeError at import where the argument names, their order, their kinds or the defaults differ.
    """

    def adopt(kernel: Callable[..., Any]) -> F:
        wanted, got = (
            [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()] for f in (reference, kernel)
        )
        if wanted != got:
            raise TypeError(f"{kernel.__module__}.{kernel.__name__} takes {got}, its reference takes {wanted}")
        kernel.__doc__ = reference.__doc__
        kernel.__annotations__ = get_type_hints(reference, include_extras=True)
        return cast("F", kernel)

    return adopt
