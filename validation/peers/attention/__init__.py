"""Attention in other libraries under our names, one file a library; `validation.peers._table` says what it holds."""
