"""Handwritten digits in two dimensions: a small network trained with the gradients of six losses, in NumPy alone.

``python docs/example/digits.py`` trains all of them and prints a table; ``python docs/example/digits.py digits.svg``
draws the features too. It needs scikit-learn for the 1797 images.
"""

import sys
import time

import numpy as np

from refengine.losses import arcface, center, circle, cosface, cosine, softmax, sphereface, w_norm_softmax

CLASSES, HIDDEN, WIDTH = 10, 96, 2
START, EPOCHS, BATCH, RATE = 40, 40, 64, 4e-3
NAMES = ("softmax", "center", "sphereface", "cosface", "arcface", "circle")
ON_CIRCLE = ("cosface", "arcface", "circle")
SCALE, GAMMA = 16.0, 16.0


def load():
    """1200 images to learn from and 597 to judge by, pixels from 0 to 1, with their labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order] / 16, labels[order]
    return (images[:1200], labels[:1200]), (images[1200:], labels[1200:])


def head(name, x, weight, y, share):
    """The loss of a batch and its gradients to the features and class vectors; ``share`` of the training is done."""
    one = np.array(1.0)
    if name == "start":
        return w_norm_softmax.loss_value_and_vjp(one, x, weight, y)
    if name in ("softmax", "center"):
        value, (dz,) = softmax.loss_value_and_vjp(one, x @ weight.T, y)
        return value, (dz @ weight, dz.T @ x)
    if name == "sphereface":  # the margin comes in slowly, as in the paper
        return sphereface.loss_value_and_vjp(one, x, weight, y, margin=2.0, annealing=20 * (1 - share) ** 2)
    if name == "cosface":  # 10 directions in the plane allow a margin below 0.19: cosface.margin_bound(10, 2)
        return cosface.loss_value_and_vjp(one, x, weight, y, scale=SCALE, margin=0.1)
    if name == "arcface":
        return arcface.loss_value_and_vjp(one, x, weight, y, scale=SCALE, margin=0.2, boundary="monotonic")
    # neighbours among 10 directions have the cosine 0.81, which circle.boundary_radius(m) exceeds from m = 0.57 on
    return circle.loss_class_value_and_vjp(one, x, weight, y, gamma=GAMMA, margin=0.6)


def features(parameters, images):
    """The activations of both layers; the last is the point in the plane."""
    first, bias_1, second, bias_2, _ = parameters
    hidden = np.tanh(images @ first + bias_1)
    return hidden, hidden @ second + bias_2


def begin(images, labels, epochs=START, seed=1):
    """Where all losses start from: some epochs of softmax with class vectors of length 1."""
    rng = np.random.default_rng(seed)
    shapes = ((64, HIDDEN), (HIDDEN,), (HIDDEN, WIDTH), (WIDTH,), (CLASSES, WIDTH))
    parameters = [rng.normal(size=s) / np.sqrt(s[0]) if len(s) == 2 else np.zeros(s) for s in shapes]
    return train("start", parameters, images, labels, epochs)


def train(name, parameters, images, labels, epochs=EPOCHS, seed=2):
    """The parameters of the network and the class vectors after some epochs, by Adam."""
    rng, parameters = np.random.default_rng(seed), list(parameters)
    parameters[4] = _unit(parameters[4])
    centers = np.stack([features(parameters, images[labels == j])[1].mean(axis=0) for j in range(CLASSES)])
    first, second, step = 5 * [0.0], 5 * [0.0], 0
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(images), BATCH):
            rows = order[start : start + BATCH]
            hidden, x = features(parameters, images[rows])
            _, (dx, dw) = head(name, x, parameters[4], labels[rows], epoch / epochs)
            if name == "center":  # the paper's loss, its centers moved by the paper's rule
                dx = dx + 0.1 * center.loss_vjp(1 / len(rows), x, centers, labels[rows])[0]
                centers = center.update(x, centers, labels[rows], alpha=0.5)
            dh = (dx @ parameters[2].T) * (1 - hidden**2)
            gradients = (images[rows].T @ dh, dh.sum(axis=0), hidden.T @ dx, dx.sum(axis=0), dw)
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
            for i, g in enumerate(gradients):
                first[i], second[i] = 0.9 * first[i] + 0.1 * g, 0.999 * second[i] + 0.001 * g * g
                moved = (first[i] / (1 - 0.9**step)) / (np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8)
                parameters[i] = parameters[i] - rate * moved
    return parameters


def judge(name, parameters, images, labels):
    """The share of images whose class has the largest logit, and how the features lie by angle."""
    x, weight = features(parameters, images)[1], parameters[4]
    logits = x @ weight.T if name in ("softmax", "center") else cosine.similarity(x, weight)
    means = np.stack([_unit(x[labels == j]).mean(axis=0) for j in range(CLASSES)])
    angles = np.degrees(np.arccos(np.clip(cosine.similarity(x, means), -1, 1)))
    apart = np.degrees(np.arccos(np.clip(cosine.similarity(means, means) - 2 * np.eye(CLASSES), -1, 1)))
    return {
        "accuracy": float(np.mean(np.argmax(logits, axis=1) == labels)),
        "by angle": float(np.mean(np.argmin(angles, axis=1) == labels)),
        "within": float(np.median(angles[np.arange(len(x)), labels])),
        "between": float(np.median(apart.min(axis=1))),
    }


def _unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def compare(epochs=EPOCHS):
    """For each loss its parameters, what `judge` finds on images that were not learnt from, and the seconds."""
    (images, labels), test = load()
    found, begun = {}, begin(images, labels)
    for name in NAMES:
        start = time.perf_counter()
        parameters = train(name, begun, images, labels, epochs)
        seen = judge(name, parameters, images, labels)["accuracy"]
        found[name] = parameters, {"seen": seen} | judge(name, parameters, *test), time.perf_counter() - start
    return found


def draw(path, found=None):
    """The features of the images that were not learnt from, with the class vectors."""
    from matplotlib import pyplot

    _, (images, labels) = load()
    figure, panels = pyplot.subplots(2, 3, figsize=(9.0, 6.2), layout="constrained")
    colours = pyplot.get_cmap("tab10")(np.arange(CLASSES))
    for axes, (name, (parameters, facts, _)) in zip(panels.ravel(), (found or compare()).items(), strict=True):
        x, weight = features(parameters, images)[1], _unit(parameters[4])
        if name in ON_CIRCLE:  # the loss does not see lengths: spread around the circle
            x = _unit(x) * np.random.default_rng(0).uniform(0.94, 1.06, size=(len(x), 1))
        size = np.quantile(np.linalg.norm(x, axis=1), 0.99)
        for j in range(CLASSES):
            axes.plot([0, size * weight[j, 0]], [0, size * weight[j, 1]], color="0.8", linewidth=1, zorder=0)
            axes.plot(*x[labels == j].T, ".", color=colours[j], markersize=3)
            axes.text(*(1.13 * size * weight[j]), str(j), color=colours[j], fontsize=8, ha="center", va="center")
        limit = 1.25 * size
        axes.set(aspect="equal", xticks=[], yticks=[], xlim=(-limit, limit), ylim=(-limit, limit))
        axes.set_title(f"{name}: {facts['accuracy']:.1%}", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


HEADER = ("loss", "seen", "unseen", "by angle", "within", "between")


def rows(found):
    """The table: accuracies, the median angle to the mean direction of the class, and that to the next class's."""
    for name, (_, facts, _) in found.items():
        shares = (f"{facts[key]:.1%}" for key in ("seen", "accuracy", "by angle"))
        yield name, *shares, f"{facts['within']:.1f}°", f"{facts['between']:.1f}°"


def main():
    found = compare()
    print(*(f"{word:>11}" for word in HEADER))
    for row, (_, _, seconds) in zip(rows(found), found.values(), strict=True):
        print(*(f"{word:>11}" for word in row), f"{seconds:7.1f} s")
    if len(sys.argv) > 1:
        draw(sys.argv[1], found)


if __name__ == "__main__":
    sys.exit(main())
