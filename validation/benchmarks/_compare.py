"""Two implementations timed side by side: in one process, by turns, with the same number of threads.

A benchmark file has ``run() -> Iterator[Comparison]``, each made by `compare`.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba


@dataclass(frozen=True)
class Comparison:
    """Best times in seconds; ``limit`` is the share of the peer's time that may not be exceeded.

    ``floor`` is the time of the work that nobody can avoid (moving the data, the bare matrix products), and
    ``floor_limit`` how many times it may be taken. ``memory`` is the peak of extra bytes of ours and of the peer, where
    it was asked for and the system tells it.
    """

    name: str
    peer: str
    ours: float
    theirs: float
    limit: float
    floor: float | None = None
    memory: tuple[int, int] | None = None
    floor_limit: float = float("inf")

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def passed(self) -> bool:
        return self.ratio <= self.limit and self.above_floor <= self.floor_limit

    @property
    def above_floor(self) -> float:
        """How many times the floor; 0 where none was timed."""
        return self.ours / self.floor if self.floor else 0.0

    def __str__(self) -> str:
        parts = [
            f"{self.name}: {self.ours * 1e3:.2f} ms, {self.peer} {self.theirs * 1e3:.2f} ms, "
            f"ratio {self.ratio:.3f} ({_verdict(self.ratio, self.limit)})"
        ]
        if self.floor is not None:
            part = f"floor {self.floor * 1e3:.2f} ms, {self.above_floor:.2f} times it"
            known = self.floor_limit < float("inf")
            parts.append(f"{part} ({_verdict(self.above_floor, self.floor_limit)})" if known else part)
        if self.memory is not None:
            parts.append("peak extra memory {:.1f} MiB, {} {:.1f} MiB".format(*self._mebibytes()))
        return "; ".join(parts)

    def _mebibytes(self) -> tuple[float, str, float]:
        ours, theirs = self.memory or (0, 0)
        return ours / 2**20, self.peer, theirs / 2**20


def _verdict(figure: float, limit: float) -> str:
    return "no limit" if limit == float("inf") else f"limit {limit:g}, {'passed' if figure <= limit else 'FAILED'}"


TURN = 0.1  # seconds


def compare(
    name: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    *,
    peer: str,
    limit: float = 1.0,
    floor: Callable[[], Any] | None = None,
    floor_limit: float = float("inf"),
    rounds: int = 9,
    threads: int | None = None,
    memory: bool = False,
) -> Comparison:
    """Best of ``rounds`` turns for each, which alternate so that a change of clock speed or load hits all alike.

    A turn is as many calls as begin within `TURN`: of calls that are over in milliseconds the first finds the caches
    full of the other's data, and the other's threads still spinning. One call of each comes first and is not counted:
    it compiles, allocates, and warms the caches. With ``memory``, one more call of each is watched.
    """
    set_threads(threads or available_threads())
    calls = [ours, theirs] if floor is None else [ours, theirs, floor]
    for call in calls:
        call()
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            best[i] = min(best[i], seconds(call))
    peaks = (extra_memory(ours), extra_memory(theirs)) if memory else (None, None)
    return Comparison(
        name,
        peer,
        best[0],
        best[1],
        limit,
        best[2] if floor else None,
        None if peaks[0] is None or peaks[1] is None else (peaks[0], peaks[1]),
        floor_limit,
    )


def seconds(call: Callable[[], Any]) -> float:
    """Wall time of the fastest call of a turn, without the garbage collector."""
    gc.collect()
    gc.disable()
    best, begin, stop = float("inf"), time.perf_counter(), 0.0
    try:
        while stop < begin + TURN:
            start = time.perf_counter()
            result = call()
            stop = time.perf_counter()
            best = min(best, stop - start)
            del result
        return best
    finally:
        gc.enable()


def extra_memory(call: Callable[[], Any]) -> int | None:
    """The peak of resident memory during a call above what was resident before it; None where Linux does not tell."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what the heap holds back from earlier calls would hide what this one takes
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak to what is resident now
        before = _status("VmRSS")
        result = call()
        after = _status("VmHWM")
        del result
    except (OSError, AttributeError, StopIteration):
        return None
    return max(after - before, 0)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def available_threads() -> int:
    """The number of threads that numba may use here: the cores of this process, which is BLAS's default as well."""
    return int(numba.config.NUMBA_NUM_THREADS)


def set_threads(count: int) -> None:
    """The same number of threads for numba and, where it is loaded, torch."""
    numba.set_num_threads(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
