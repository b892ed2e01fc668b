"""jax 0.10."""

from __future__ import annotations

from typing import Any

from refengine.attention.presets._masks import both, within


def jax(
    *,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
    queries: int | None = None,
    keys: int | None = None,
) -> dict[str, Any]:
    """``jax.nn.dot_product_attention`` 0.10 as `refengine.attention.dot_product.attention`.

    Its softmax is computed in float32, whatever the arrays are. Causal mask and window, whose ends count, are aligned
    top left. A row that masks empty is the mean of all values; rows from ``query_seq_lengths`` on are 0 (``queries``
    and ``keys`` say the padded lengths). What masks leave out gets a large negative score, but -inf in ``bias`` lies
    below it: a row with nothing but that is nan without any mask, and with one attends to the masked keys.
    """
    window = (local_window_size, local_window_size) if isinstance(local_window_size, int) else local_window_size
    real = within(key_value_seq_lengths, keys, "keys")
    masks = (mask, None if real is None else real[:, None, None, :])
    lengths = (query_seq_lengths, key_value_seq_lengths)
    only_bias = not is_causal and window is None and all(m is None for m in (mask, *lengths))
    rule = "nan" if bias is not None and only_bias else "mean"
    constants = {"causal": is_causal, "alignment": "top_left", "window": window, "scale": scale, "empty_row": rule}
    asks = within(query_seq_lengths, queries, "queries")
    constants |= {} if bias is None else {"bias": bias}
    return constants | both(*masks) | ({} if asks is None else {"query_mask": asks[:, None, :]})
