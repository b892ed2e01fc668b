"""The constants with which a loss here is another library's.

``presets.<library>.<loss>(...)`` takes the library's own arguments, with its defaults and in its units, and returns the
keyword arguments of the function here that its docstring names:

>>> import numpy as np
>>> from refengine.losses import arcface, presets
>>> constants = presets.pytorch_metric_learning.arcface(margin=30.0)  # degrees
>>> round(constants["margin"], 4), constants["boundary"]
(0.5236, 'monotonic')
>>> x = np.array([[1.0, 1.0]])  # 45 degrees from both classes
>>> round(float(arcface.loss(x, np.eye(2), np.array([0]), **constants)), 4)  # 64 (cos 45 - cos 75 degrees)
28.6904

They were made from the code of the versions that each docstring gives. What no constant can reproduce, such as a value
that a library adds to a distance, is said there.
"""

from refengine.losses.presets import _face_evolve as face_evolve
from refengine.losses.presets import _facex_zoo as facex_zoo
from refengine.losses.presets import _insightface as insightface
from refengine.losses.presets import _open_metric_learning as open_metric_learning
from refengine.losses.presets import _opensphere as opensphere
from refengine.losses.presets import _paddle as paddle
from refengine.losses.presets import _pytorch_center_loss as pytorch_center_loss
from refengine.losses.presets import _pytorch_metric_learning as pytorch_metric_learning
from refengine.losses.presets import _sentence_transformers as sentence_transformers
from refengine.losses.presets import _sup_contrast as sup_contrast
from refengine.losses.presets import _tensorflow_addons as tensorflow_addons
from refengine.losses.presets import _tensorflow_similarity as tensorflow_similarity
from refengine.losses.presets import _tinyzeamays as tinyzeamays
from refengine.losses.presets import _torch as torch

__all__ = [
    "face_evolve",
    "facex_zoo",
    "insightface",
    "open_metric_learning",
    "opensphere",
    "paddle",
    "pytorch_center_loss",
    "pytorch_metric_learning",
    "sentence_transformers",
    "sup_contrast",
    "tensorflow_addons",
    "tensorflow_similarity",
    "tinyzeamays",
    "torch",
]
