"""The pictures of losses that take neither rows with class vectors nor rows with labels alone: a scene for each.

A module is drawn by the function of its name; its docstring is the caption.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from drawing import BLUE, BROWN, GREEN, GREY, in_row, small


def _down(axes: Any, points: Any, gradient: Any, colour: Any, length: float = 0.45) -> None:
    """Points with arrows down their gradients, the longest one of the given length."""
    longest = np.max(np.linalg.norm(gradient, axis=1)) or 1.0
    axes.quiver(
        *points.T, *(-gradient.T * length / longest), angles="xy", scale_units="xy", scale=1, width=0.007, color=colour
    )
    axes.plot(*points.T, "o", color=colour, markersize=4)


def softmax(pyplot: Any, module: Any) -> Any:
    """Left: the loss over the lead of the label's logit on C - 1 equal others; middle: its slope; right: targets that
    give the share e to the other class have their minimum, the dot, at a finite lead.
    """
    figure, (loss, slope, smoothed) = in_row(pyplot, 3)
    t = np.linspace(-6, 14, 401)
    for classes in (2, 10, 1000):
        z = np.concatenate([t[:, None], np.zeros((len(t), classes - 1))], axis=1)
        labels = np.zeros(len(t), int)
        value, (dz,) = module.loss_value_and_vjp(np.ones(len(t)), z, labels, reduction="none")
        loss.plot(t, value, linewidth=1.3, label=f"C = {classes}")
        slope.plot(t, dz[:, 0], linewidth=1.3)
    z = np.stack([t, np.zeros_like(t)], axis=1)
    for share in (0.0, 0.01, 0.1, 0.3):
        value = module.cross_entropy(z, np.broadcast_to([1 - share, share], z.shape), reduction="none")
        (line,) = smoothed.plot(t, value, linewidth=1.3, label=f"e = {share:g}")
        if share:
            smoothed.plot(t[np.argmin(value)], value.min(), "o", markersize=4, color=line.get_color())
    loss.set(title="loss", xlabel="lead of the label's logit")
    slope.set(title="slope", xlabel="lead of the label's logit")
    smoothed.set(title="smoothed targets, C = 2", xlabel="lead of the first logit", ylim=(-0.1, 3))
    for axes in (loss, slope, smoothed):
        small(axes)
    for axes in (loss, smoothed):
        axes.legend(frameon=False, fontsize=7)
    return figure


def center(pyplot: Any, module: Any) -> Any:
    """Left: rows of two classes, their centers, and minus the gradients; right: how one center moves in ten batches of
    the same three rows, by the paper's rule, by gradient descent and by a moving average.
    """
    rng = np.random.default_rng(1)
    centers, labels = np.array([[-1.0, 0.2], [1.0, -0.3]]), np.arange(12) % 2
    x = np.array([[-0.4, 0.8], [0.6, 0.5]])[labels] + 0.5 * rng.normal(size=(12, 2))
    figure, (plane, path) = in_row(pyplot, 2, width=3.4)
    dx, dcenters = module.loss_vjp(np.array(1.0), x, centers, labels)
    for label, colour in ((0, BLUE), (1, BROWN)):
        _down(plane, x[labels == label], dx[labels == label], colour)
        plane.plot(*centers[label], "*", color=colour, markersize=12)
        step = -0.08 * dcenters[label]
        plane.arrow(*centers[label], *step, color=colour, head_width=0.07, linestyle=":")
    plane.set(aspect="equal", xticks=[], yticks=[], title="-gradient; stars: centers")
    rows = np.array([[0.8], [1.0], [1.2]])
    for rule, alpha in (("paper", 0.5), ("autograd", 0.1), ("ema", 0.5)):
        c, found = np.zeros((1, 1)), [0.0]
        for _ in range(10):
            c = module.update(rows, c, np.zeros(3, int), alpha=alpha, rule=rule)
            found.append(float(c[0, 0]))
        path.plot(found, "o-", markersize=3, linewidth=1.2, label=f'"{rule}", alpha = {alpha:g}')
    path.axhline(1.0, color=GREY, linestyle=":")
    path.set(xlabel="batches", title="a center drawn to rows around 1")
    path.legend(frameon=False, fontsize=7)
    for axes in (plane, path):
        small(axes)
    return figure


def margin(pyplot: Any, module: Any) -> Any:
    """Left: the hinges of a positive and of a negative over their distance, dotted the boundary beta; right: minus the
    gradients among three rows of a label and three of another, for a large boundary, which nearly all positives
    satisfy, and a small one.
    """
    figure, (hinges, large, low) = in_row(pyplot, 3)
    d = np.linspace(0, 2, 201)
    for label, name, colour in ((0, "positive", BLUE), (1, "negative", BROWN)):
        pairs = [np.array([[0.0, 0.0], [v, 0.0]]) for v in d]
        found = [
            module.loss(x, 1.2, np.array([0, label]), normalize_x=False, reduction="none", margin=0.3)[0, 1]
            for x in pairs
        ]
        hinges.plot(d, found, color=colour, linewidth=1.4, label=name)
    hinges.axvline(1.2, color=GREY, linestyle=":")
    hinges.set(xlabel="distance", title="loss of a pair, margin 0.3")
    hinges.legend(frameon=False, fontsize=7)
    x = np.array([[-0.9, 0.3], [-0.3, -0.4], [0.4, 0.4], [0.1, 0.9], [0.9, 0.1], [0.6, -0.7]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    for axes, beta in ((large, 1.5), (low, 0.6)):
        dx, dbeta = module.loss_vjp(np.array(1.0), x, beta, labels, normalize_x=False, margin=0.3)
        for label, colour in ((0, BLUE), (1, BROWN)):
            _down(axes, x[labels == label], dx[labels == label], colour)
        axes.set(aspect="equal", xticks=[], yticks=[], xlim=(-1.4, 1.4), ylim=(-1.2, 1.4))
        axes.set_title(f"-gradient, beta = {beta:g}, its slope {float(dbeta):.2f}")
    for axes in (hinges, large, low):
        small(axes)
    return figure


def partial_fc(pyplot: Any, module: Any) -> Any:
    """Left: the classes that take part in ten batches, brown those of the labels; right: the loss over the rate, mean
    and range of 40 samples: fewer classes are fewer rivals, and all of them give the loss of the full head.
    """
    rng = np.random.default_rng(0)
    classes, labels = 40, np.array([3, 17, 30])
    weight, x = rng.normal(size=(classes, 8)), rng.normal(size=(3, 8))
    x = x + 0.8 * weight[labels]
    figure, (raster, loss) = in_row(pyplot, 2, width=3.4)
    for batch in range(10):
        found = module.sample(labels, rng.uniform(size=classes), rate=0.3)
        own = np.isin(found, labels)
        raster.plot(found[~own], np.full(np.sum(~own), batch), "s", color=BLUE, markersize=3)
        raster.plot(found[own], np.full(np.sum(own), batch), "s", color=BROWN, markersize=3)
    raster.set(xlabel="class", ylabel="batch", title="sampled classes, rate 0.3")
    rates = np.linspace(0.1, 1, 10)
    values = np.array(
        [
            [
                module.loss(x, weight, labels, module.sample(labels, u, rate=rate), scale=16.0)
                for u in rng.uniform(size=(40, classes))
            ]
            for rate in rates
        ]
    )
    loss.fill_between(rates, values.min(axis=1), values.max(axis=1), color="#cfe0ee")
    loss.plot(rates, values.mean(axis=1), "o-", color=BLUE, markersize=3)
    loss.set(xlabel="rate", title="loss of one batch")
    for axes in (raster, loss):
        small(axes)
    return figure


def siglip(pyplot: Any, module: Any) -> Any:
    """Left: the loss of one pair over its cosine, at the paper's start t = 10, b = -10 (dashed) and later; right:
    minus the gradients of images (filled) and texts (open) in the plane, colours for those that match.
    """
    figure, (pair, plane) = in_row(pyplot, 2, width=3.4)
    cosine = np.linspace(-1, 1, 201)
    for t, b, line in ((10.0, -10.0, "--"), (30.0, -15.0, "-")):
        for match, colour in ((True, BLUE), (False, BROWN)):
            image, text = np.eye(2), np.stack([np.cos(np.arccos(cosine)), np.sin(np.arccos(cosine))], axis=1)
            found = []
            for y in text:
                texts = np.stack([y, y])  # the first is the first image's match, the second is not
                found.append(module.loss(image, texts, t, b, reduction="none")[0, 0 if match else 1])
            pair.plot(cosine, found, line, color=colour, linewidth=1.3, label=None if t == 10 else f"match: {match}")
    pair.set(xlabel="cosine", title="loss of one pair", ylim=(-0.5, 20), xticks=[-1, -0.5, 0, 0.5, 1])
    pair.legend(frameon=False, fontsize=7)
    angles = np.deg2rad([[20.0, 55.0], [140.0, 100.0], [260.0, 300.0]])
    image, text = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in angles.T)
    dx, dy, _, _ = module.loss_vjp(np.array(1.0), image, text, 10.0, -3.0)
    longest = np.max(np.linalg.norm(np.concatenate([dx, dy]), axis=1))
    circle = np.linspace(0, 2 * np.pi, 200)
    plane.plot(np.cos(circle), np.sin(circle), color="0.85", linewidth=1)
    for i, colour in enumerate((BLUE, BROWN, GREEN)):
        for v, d, marker in ((image, dx, "o"), (text, dy, "s")):
            plane.plot(*v[i], marker, color=colour, markersize=7, fillstyle="full" if marker == "o" else "none")
            plane.arrow(*v[i], *(-0.6 * d[i] / longest), color=colour, head_width=0.06)
    plane.set(
        aspect="equal", xticks=[], yticks=[], title="-gradient; t = 10, b = -3", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6)
    )
    for axes in (pair, plane):
        small(axes)
    return figure


def _ellipse() -> Any:
    """Twelve points of two correlated features."""
    angle = np.arange(12) * np.pi / 6
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) @ np.array([[1.0, 0.6], [-0.25, 0.35]])


def vicreg(pyplot: Any, module: Any) -> Any:
    """Minus the gradient of each term alone: the invariance draws two views of a sample together, the variance drives a
    view apart where a feature's deviation is below gamma, the covariance takes the correlation away.
    """
    x = _ellipse()
    y = x + 0.25 * np.random.default_rng(2).normal(size=x.shape)
    figure, all_axes = in_row(pyplot, 3)
    for axes, name in zip(all_axes, ("invariance", "variance", "covariance"), strict=True):
        terms = {key: float(key == name) for key in ("invariance", "variance", "covariance")}
        dx, dy = module.loss_vjp(np.array(1.0), x, y, **terms)
        if name == "invariance":
            for a, b in zip(x, y, strict=True):
                axes.plot([a[0], b[0]], [a[1], b[1]], color="0.85", linewidth=1, zorder=0)
            _down(axes, y, dy, BROWN, 0.35)
        _down(axes, x, dx, BLUE, 0.35)
        axes.set(aspect="equal", xticks=[], yticks=[], xlim=(-1.6, 1.6), ylim=(-1.3, 1.3), title=name)
        small(axes)
    return figure


def barlow_twins(pyplot: Any, module: Any) -> Any:
    """Left: minus the gradient where both views are the same points, whose two features correlate: they lose that.
    Right: the loss as one view is turned against the other, for three weights of the entries beside the diagonal.
    """
    x = _ellipse()
    figure, (plane, turned) = in_row(pyplot, 2, width=3.4)
    dx, dy = module.loss_vjp(np.array(1.0), x, x, off_diagonal=1.0)
    _down(plane, x, dx + dy, BLUE)
    plane.set(aspect="equal", xticks=[], yticks=[], title="-gradient, off_diagonal = 1")
    plane.set(xlim=(-1.5, 1.5), ylim=(-1.3, 1.3))
    points = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    angle = np.linspace(-np.pi, np.pi, 181)
    for weight in (0.005, 0.5, 1.0):
        found = []
        for a in angle:
            turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
            found.append(float(module.loss(points, points @ turn, off_diagonal=weight)))
        turned.plot(np.rad2deg(angle), found, linewidth=1.3, label=f"off_diagonal = {weight:g}")
    turned.set(xlabel="angle in degrees", title="loss of a turned view", xticks=[-180, -90, 0, 90, 180])
    turned.legend(frameon=False, fontsize=7)
    for axes in (plane, turned):
        small(axes)
    return figure


def sharded(pyplot: Any, module: Any) -> Any:
    """The logits of one row over 48 classes in four shards, the star that of its label. Each shard gives its maximum
    and its sum (bars: maximum + log sum); merged they are the line, and the loss is softplus of its lead on the star.
    """
    from refengine.losses import normface

    rng = np.random.default_rng(2)
    classes, size, labels = 48, 12, np.array([29])
    weight = rng.normal(size=(classes, 6))
    x = weight[labels] + rng.normal(size=(1, 6))
    head = normface.head(scale=8.0)
    unit = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    z = 8.0 * unit @ (x[0] / np.linalg.norm(x[0]))
    parts = [
        module.sums(x, weight[start : start + size], labels, head, start=start) for start in range(0, classes, size)
    ]
    merged = module.merge(parts)
    figure, (axes,) = in_row(pyplot, 1, width=6.4)
    for shard, part in enumerate(parts):
        total = float(part.maximum[0] + np.log(part.total[0]))
        axes.bar(size * (shard + 0.5) - 0.5, total - z.min(), size - 0.6, z.min(), color="#dfe9f2")
    other = np.arange(classes) != labels[0]
    axes.plot(np.flatnonzero(other), z[other], "o", color=BLUE, markersize=3)
    axes.plot(labels[0], float(merged.target[0]), "*", color=BROWN, markersize=11)
    line = float(merged.maximum[0] + np.log(merged.total[0]))
    axes.axhline(line, color=GREY, linestyle="--")
    axes.set(xlabel="class", ylabel="logit", title=f"merged {line:.2f}, loss {float(module.loss(merged)):.3f}")
    axes.set_ylim(z.min() - 0.5, line + 0.5)
    small(axes)
    return figure
