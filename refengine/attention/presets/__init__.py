"""The constants with which attention here is a framework's.

``presets.<framework>(...)`` takes the framework's own arguments, masks too, with its defaults and its meaning of True,
and returns the keyword arguments of the function here that its docstring names:

>>> import numpy as np
>>> from refengine.attention import dot_product, presets
>>> constants = presets.flash(causal=True, window_size=(1, -1))
>>> constants["alignment"], constants["window"], constants["empty_row"]
('bottom_right', (1, None), 'zero')
>>> q, k, v = np.zeros((1, 2, 1)), np.zeros((1, 3, 1)), np.array([[[1.0], [3.0], [5.0]]])
>>> dot_product.attention(q, k, v, **constants).tolist()  # keys 0 and 1, then 1 and 2
[[[2.0], [4.0]]]

Arrays are (..., H, L, D) here and in PyTorch and ONNX; JAX, Keras and FlashAttention have (B, L, H, D). They were made
from the versions that each docstring gives. All of those that have a mask let nan in masked values through, as 0 times
nan; here it is left out, and no constant changes that.
"""

from refengine.attention.presets._flash import flash
from refengine.attention.presets._hugging_face import hf_eager
from refengine.attention.presets._jax import jax
from refengine.attention.presets._keras import keras, keras_mha
from refengine.attention.presets._onnx import onnx
from refengine.attention.presets._torch import torch_mha, torch_sdpa

__all__ = ["flash", "hf_eager", "jax", "keras", "keras_mha", "onnx", "torch_mha", "torch_sdpa"]
