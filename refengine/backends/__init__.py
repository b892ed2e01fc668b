"""Backends: packages with the tree of `refengine`, in which only the files that have a kernel exist."""
