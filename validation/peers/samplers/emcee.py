"""emcee: its random state writes down what it draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from emcee.model import Model
from emcee.moves import StretchMove
from emcee.state import State

from refengine.samplers import random_walk, stretch
from refengine.samplers.targets import banana
from validation.peers.samplers._rows import Compared, Row, difference

TARGET, WALKERS, SIZE, STEPS = banana.target(0.3, 1.5), 10, 3, 200


class Recorder(np.random.RandomState):
    """Every draw of rand and randint, and the last shuffle, in the order in which they were asked for."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.drawn: list[Any] = []
        self.order = np.arange(0)

    def rand(self, *shape: int) -> Any:
        self.drawn.append(super().rand(*shape))
        return self.drawn[-1]

    def randint(self, *args: Any, **named: Any) -> Any:
        self.drawn.append(super().randint(*args, **named))
        return self.drawn[-1]

    def shuffle(self, halves: Any) -> None:
        super().shuffle(halves)
        self.order = np.argsort(halves, kind="stable")


def move() -> Row:
    """The halves are shuffled there; ours are the first and the last walkers, brought into that order."""
    half = WALKERS // 2

    def log_density(x: np.ndarray) -> np.ndarray:
        return np.asarray(TARGET.log_density(x, *TARGET.parameters))

    random = Recorder(0)
    model = Model(log_density, lambda x: (log_density(x), None), map, random)
    start = np.random.default_rng(1).normal(size=(WALKERS, SIZE))
    state, worst = State(start, log_prob=log_density(start)), 0.0
    for _ in range(STEPS):
        random.drawn = []
        before = random_walk.State(state.coords.copy(), state.log_prob.copy())
        state, accepted = StretchMove().propose(model, state)
        order, noise = random.order, []
        for i in (0, half + 2):  # of each half a factor and a partner for all, then decisions one by one
            factors, partners, *decisions = random.drawn[i : i + half + 2]
            noise.append((factors, (partners + 0.5) / half, np.array(decisions)))
        given = stretch.Noise(*(np.concatenate(parts) for parts in zip(*noise, strict=True)))
        ours = stretch.step(random_walk.State(*(leaf[order] for leaf in before)), given, TARGET)
        same = [(ours.state.position[None], state.coords[order][None]), (ours.info.accepted, accepted[order])]
        worst = max(worst, difference(*same, (ours.state.log_density[None], state.log_prob[order][None])))
    return Row("stretch.step", STEPS, {"": worst})


ROWS: dict[str, Compared] = {"moves.StretchMove": move}
