"""Attention, soft, local and hard: one module a mechanism.

- Scores and averages over all keys: ``soft``, ``additive``, ``luong``, ``dot_product`` with its masks and windows.
- The same in parts: ``ring``; of projections, in several heads: ``multi_head``, ``self_attention`` of padded batches.
- Over some of them: ``local``.
- One key that is drawn: ``hard``, its estimates of the gradient in ``xu``, ``leave_one_out`` and ``control_variates``,
  their variance in ``baselines``, all paths of several draws in ``paths``; ``gumbel_softmax`` and ``gumbel_top_k``.
- From scores to weights: ``softmax``, ``sparsemax``, ``entmax``.
- Where a key stands: ``rotary``, ``alibi``, ``relative_position``.
- Constants with which these are the attention of PyTorch, JAX, Keras, ONNX and others: ``presets``.
"""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__)
