"""Lines of handwritten digits read by attention, soft, local and hard: in NumPy alone, with the gradients of refengine.

``python docs/example/attention.py`` trains six readers and prints a table; with two names of files, such as
``attention.svg variance.svg``, it also draws where they look and how far their gradients scatter. It needs scikit-learn
for the 1797 images.
"""

import sys
import time
from typing import NamedTuple

import numpy as np

from refengine.attention import baselines, hard, leave_one_out, local, luong, soft, xu
from refengine.losses import softmax

DIGITS, CELL, SIZE = 4, 16, 8  # a line: four cells of 16 columns, in each a digit of 8 by 8 pixels, anywhere
PLACES = (DIGITS * CELL - SIZE) // 2 + 1  # windows of 8 columns, one every 2 columns
HIDDEN, WIDTH, CLASSES = 40, 16, 10
BATCH, STEPS, RATE, HALF_WIDTH = 24, 700, 5e-3, 6.0
DRAWS = {"hard": 1, "hard, baseline": 1, "hard, 4 draws": 4}  # places that are looked at for each digit
NAMES = ("soft", "local-p", *DRAWS, "hard, all places")


def load():
    """1200 images to learn from and 597 to judge by, pixels from 0 to 1, with their labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order].reshape(-1, SIZE, SIZE) / 16, labels[order]
    return (images[:1200], labels[:1200]), (images[1200:], labels[1200:])


def lines(rng, images, labels, count):
    """Lines of pixels (count, 8, 64), their labels (count, 4), and the columns where the digits begin."""
    chosen = rng.integers(len(images), size=(count, DIGITS))
    starts = CELL * np.arange(DIGITS) + rng.integers(CELL - SIZE + 1, size=(count, DIGITS))
    pixels = np.zeros((count, SIZE, DIGITS * CELL))
    for row, i, start in zip(np.repeat(np.arange(count), DIGITS), chosen.ravel(), starts.ravel(), strict=True):
        pixels[row, :, start : start + SIZE] = images[i]
    return pixels, labels[chosen], starts


def begin(seed=1):
    """The parameters that all readers start from."""
    rng = np.random.default_rng(seed)
    p = {"encode": rng.normal(size=(SIZE * SIZE, HIDDEN)) / SIZE, "shift": np.zeros(HIDDEN)}
    p |= {"key": rng.normal(size=(HIDDEN, WIDTH)) / np.sqrt(HIDDEN), "place": 0.3 * rng.normal(size=(PLACES, WIDTH))}
    p |= {"query": 0.3 * rng.normal(size=(DIGITS, WIDTH))}
    p |= {"decode": rng.normal(size=(HIDDEN, CLASSES)) / np.sqrt(HIDDEN), "prior": np.zeros(CLASSES)}
    share = (np.arange(DIGITS) + 0.5) / DIGITS  # predicted centres begin on the diagonal: sigmoid(v . tanh(W q))
    units = np.arctanh(np.log(share / (1 - share)) / 4)
    return p | {"v_position": np.ones(4), "w_position": np.tile(np.linalg.pinv(p["query"]) @ units, (4, 1))}


def encode(name, p, pixels):
    """The windows of each line (B, K, 64), their features (B, K, H), and the scores (B, 4, K)."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, SIZE, axis=2)[:, :, ::2].transpose(0, 2, 1, 3)
    windows = windows.reshape(*windows.shape[:2], -1)
    features = np.tanh(windows @ p["encode"] + p["shift"])
    return windows, features, luong.score_dot(p["query"], keys(name, p, features))


def keys(name, p, features):
    """What the queries are compared with; local-p knows where a window stands without being told."""
    return features @ p["key"] + (0 if name == "local-p" else p["place"])


def classify(p, read, labels):
    """Log-likelihoods of the labels (...) given what was read (..., H), and the way back from their cotangents."""
    x = read.reshape(-1, HIDDEN)
    logits = x @ p["decode"] + p["prior"]
    losses, (slopes,) = softmax.loss_value_and_vjp(np.ones(len(x)), logits, labels.ravel(), reduction="none")

    def back(g):
        d = -g.reshape(-1, 1) * slopes
        return (d @ p["decode"].T).reshape(read.shape), {"decode": x.T @ d, "prior": d.sum(axis=0)}

    return -losses.reshape(labels.shape), back


def averaged(name, p, scores, features):
    """The features averaged by soft or local-p attention, and the way back."""
    if name == "soft":
        return soft.context(scores, features), lambda g: (*soft.context_vjp(g, scores, features), {})
    given = scores, features, p["query"], p["w_position"], p["v_position"]

    def back(g):
        dscores, dfeatures, *rest = local.predictive_vjp(g, *given, half_width=HALF_WIDTH)
        return dscores, dfeatures, dict(zip(("query", "w_position", "v_position"), rest, strict=True))

    return local.predictive(*given, half_width=HALF_WIDTH), back


def likelihoods(p, features, labels):
    """The log-likelihood of each digit at every place (B, 4, K), and the way back."""
    read = np.broadcast_to(features[:, None], (*labels.shape, *features.shape[1:]))
    return classify(p, read, np.broadcast_to(labels[..., None], read.shape[:-1]))


def by_average(name, p, scores, features, labels, u, baseline):
    """Mean log-likelihood, and its gradients to scores, features and parameters: they flow through the average."""
    read, back = averaged(name, p, scores, features)
    l, to_read = classify(p, read, labels)
    dread, found = to_read(np.full(l.shape, 1 / l.size))
    dscores, dfeatures, more = back(dread)
    return np.mean(l), dscores, dfeatures, found | more


def by_draws(name, p, scores, features, labels, u, baseline):
    """The same for places that u (B, 4, M) draw, through which no gradient flows: that to the scores is an estimate."""
    places, rows = hard.sample(scores[..., None, :], u), np.arange(len(labels))[:, None, None]
    l, to_read = classify(p, features[rows, places], np.broadcast_to(labels[..., None], places.shape))
    dread, found = to_read(np.full(l.shape, 1 / l.size))
    dfeatures = np.zeros(features.shape)
    np.add.at(dfeatures, (rows, places), dread)
    if places.shape[-1] > 1:
        dscores = leave_one_out.score_function(scores, u, l)
    else:
        dscores = hard.score_function(scores, u[..., 0], l[..., 0], baseline)
    return np.mean(l), dscores / labels.size, dfeatures, found


def by_all_places(name, p, scores, features, labels, u, baseline):
    """The same for the expectation over all places: what the estimates are right about on average."""
    l, to_read = likelihoods(p, features, labels)
    dscores, dl = hard.expected_vjp(np.full(labels.shape, 1 / labels.size), scores, l)
    dread, found = to_read(dl)
    return np.mean(hard.expected(scores, l)), dscores, dread.sum(axis=1), found


KINDS = {"soft": by_average, "local-p": by_average, "hard, all places": by_all_places}


def step(name, p, pixels, labels, u, baseline):
    """The mean log-likelihood of a batch, and its gradients to the parameters."""
    windows, features, scores = encode(name, p, pixels)
    kind = KINDS.get(name, by_draws)
    value, dscores, dfeatures, found = kind(name, p, scores, features, labels, u, baseline)
    dquery, dkeys = luong.score_dot_vjp(dscores, p["query"], keys(name, p, features))
    slopes = ((dfeatures + dkeys @ p["key"].T) * (1 - features**2)).reshape(-1, HIDDEN)
    found |= {"encode": windows.reshape(len(slopes), -1).T @ slopes, "shift": slopes.sum(axis=0)}
    found |= {"key": features.reshape(-1, HIDDEN).T @ dkeys.reshape(-1, WIDTH), "query": dquery + found.get("query", 0)}
    return float(value), found | ({} if name == "local-p" else {"place": dkeys.sum(axis=0)})


def train(name, p, images, labels, steps=STEPS, seed=2, watch=None):
    """The parameters after so many batches of fresh lines, climbing by Adam; ``watch`` sees them on the way."""
    rng, p, baseline = np.random.default_rng(seed), dict(p), 0.0
    first, second = ({key: 0.0 for key in p} for _ in range(2))
    for number in range(1, steps + 1):
        pixels, y, _ = lines(rng, images, labels, BATCH)
        u = hard.noise(rng, (BATCH, DIGITS, DRAWS.get(name, 1)))
        reward, gradients = step(name, p, pixels, y, u, baseline if name == "hard, baseline" else 0.0)
        baseline = float(xu.moving_average(baseline, reward))
        for key, g in gradients.items():
            first[key], second[key] = 0.9 * first[key] + 0.1 * g, 0.99 * second[key] + 0.01 * g * g
            moved = first[key] / (1 - 0.9**number) / (np.sqrt(second[key] / (1 - 0.99**number)) + 1e-8)
            p[key] = p[key] + RATE * 0.5 * (1 + np.cos(np.pi * number / steps)) * moved
        if watch is not None:
            watch(number, p, baseline)
    return p


def weights(name, p, pixels):
    """The attention that each digit gives to each place (B, 4, K): averages of unit vectors."""
    _, _, scores = encode(name, p, pixels)
    return averaged("local-p" if name == "local-p" else "soft", p, scores, np.eye(scores.shape[-1]))[0]


def judge(name, p, pixels, labels, starts):
    """Digits and lines read rightly, and attention within two columns of the digit. A hard reader looks once."""
    _, features, scores = encode(name, p, pixels)
    attention = weights(name, p, pixels)
    if name in ("soft", "local-p"):
        read = averaged(name, p, scores, features)[0]
    else:
        read = features[np.arange(len(labels))[:, None], np.argmax(scores, axis=-1)]
    right = np.argmax(read @ p["decode"] + p["prior"], axis=-1) == labels
    near = np.abs(2 * np.arange(PLACES) - starts[..., None]) <= 2
    return {
        "digits": float(right.mean()),
        "lines": float(right.all(axis=1).mean()),
        "on the digit": float(np.sum(attention * near) / np.sum(attention)),
    }


def variances(p, pixels, labels, baseline):
    """What the estimates of the gradient to the scores of a digit scatter by, from all places and without a draw."""
    _, features, scores = encode("hard", p, pixels)
    l = likelihoods(p, features, labels)[0]
    mean = hard.expected(scores, l)
    slope = np.sum(hard.expected_vjp(np.ones(mean.shape), scores, l)[0] ** 2, axis=-1)
    choices = {"no baseline": 0.0, "moving average": baseline, "expected value": mean}
    found = {name: baselines.variance(scores, l, b) for name, b in choices.items()}
    found["optimal baseline"] = baselines.variance(scores, l, baselines.optimal(scores, l))
    found["4 draws"] = of_draws(weights("hard", p, pixels), l, 4)
    return {name: float(np.mean(v)) for name, v in (found | {"gradient": slope}).items()}


def of_draws(share, l, draws):
    """The variance of the leave-one-out estimate, a mean over all pairs (a, b) of (l_a - l_b) (e_a - e_b) / 2."""
    apart = (l[..., :, None] - l[..., None, :]) ** 2
    above = l - np.sum(share * l, axis=-1, keepdims=True)
    slope = np.sum((share * above) ** 2, axis=-1)
    itself = np.sum(share[..., :, None] * share[..., None, :] * apart, axis=(-2, -1)) / 2 - slope
    one_in_common = above**2 + np.sum(share[..., None, :] ** 2 * apart, axis=-1)
    one_in_common = np.sum(share * one_in_common, axis=-1) / 4 - slope
    return (itself + 2 * (draws - 2) * one_in_common) / (draws * (draws - 1) / 2)


class Found(NamedTuple):
    """A trained reader: its parameters, what `judge` finds on unseen lines, the way there, and the seconds."""

    parameters: dict
    facts: dict
    steps: list
    digits: list
    variances: list
    seconds: float


def compare(steps=STEPS):
    """Every reader, trained from the same start on the same lines."""
    seen, unseen = load()
    rng, begun, found = np.random.default_rng(3), begin(), {}
    judged, few, probe = (lines(rng, *part, count) for part, count in ((unseen, 400), (unseen, 80), (seen, 20)))
    for name in NAMES:
        curve, spread, start = {}, [], time.perf_counter()

        def watch(number, p, baseline, name=name, curve=curve, spread=spread):
            if number % 25 == 0:
                curve[number] = judge(name, p, *few)["digits"]
                if name == "hard, baseline":
                    spread.append(variances(p, *probe[:2], baseline))

        p = train(name, begun, *seen, steps, watch=watch)
        facts = judge(name, p, *judged)
        found[name] = Found(p, facts, list(curve), list(curve.values()), spread, time.perf_counter() - start)
    return found


def draw(path, found):
    """One unseen line, and where each reader looks for its four digits."""
    from matplotlib import pyplot

    pixels, labels, _ = (part[:1] for part in lines(np.random.default_rng(5), *load()[1], 1))
    figure, panels = pyplot.subplots(1 + len(found), 1, figsize=(7.6, 7.2), layout="constrained", sharex=True)
    panels[0].imshow(pixels[0], cmap="gray_r", extent=(0, DIGITS * CELL, SIZE, 0), aspect="auto")
    panels[0].set(yticks=[], title=" ".join(str(y) for y in labels[0]))
    u = hard.noise(np.random.default_rng(6), (DIGITS,))
    for axes, (name, reader) in zip(panels[1:], found.items(), strict=True):
        attention = weights(name, reader.parameters, pixels)[0]
        middle = SIZE / 2 + np.array([-1, 2 * PLACES - 1])  # a window is drawn at its middle
        axes.imshow(attention, cmap="Blues", vmin=0, vmax=1, extent=(*middle, DIGITS, 0), aspect="auto")
        if name.startswith("hard"):
            places = hard.sample(np.log(attention), u)
            axes.plot(SIZE / 2 + 2 * places, np.arange(DIGITS) + 0.5, "o", color="#c0702a", markersize=4)
        axes.set(yticks=np.arange(DIGITS) + 0.5, yticklabels=np.arange(1, DIGITS + 1), ylabel=name.replace(", ", ",\n"))
        axes.yaxis.label.set_fontsize(8)
        axes.tick_params(labelsize=7)
    panels[-1].set(xlim=(0, DIGITS * CELL), xlabel="column of pixels")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def draw_variances(path, found):
    """How the readers learn, and how far the estimates of the gradient scatter on the way of one of them."""
    from matplotlib import pyplot

    figure, (learning, spread) = pyplot.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    for name, reader in found.items():
        learning.plot(reader.steps, reader.digits, linewidth=1.2, label=name)
    learning.set(xlabel="batches", title="unseen digits that are read rightly", ylim=(0, 1))
    watched = found["hard, baseline"]
    for name in watched.variances[0]:
        style = {"color": "0.6", "linestyle": ":"} if name == "gradient" else {}
        label = "gradient, squared" if name == "gradient" else name
        spread.semilogy(watched.steps, [v[name] for v in watched.variances], linewidth=1.2, label=label, **style)
    spread.set(xlabel="batches", title="variance of the estimate for one digit")
    for axes in (learning, spread):
        axes.title.set_fontsize(9)
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


HEADER = ("reader", "digits", "lines", "on the digit")


def rows(found):
    """The table."""
    for name, reader in found.items():
        yield name, *(f"{reader.facts[key]:.1%}" for key in HEADER[1:])


def main():
    found = compare()
    print(*(f"{word:>17}" for word in HEADER))
    for row, reader in zip(rows(found), found.values(), strict=True):
        print(*(f"{word:>17}" for word in row), f"{reader.seconds:7.1f} s")
    if len(sys.argv) > 2:
        draw(sys.argv[1], found)
        draw_variances(sys.argv[2], found)


if __name__ == "__main__":
    sys.exit(main())
