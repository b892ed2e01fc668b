"""Miners: integer indices of pairs and triplets in a batch; each file holds the function that it is named after."""

__all__: list[str] = []
