"""The reference text on CuPy arrays: ``refengine.backend("cupy")``. CUDA kernels, once there are any, stand here."""

from refengine._tree import subpackages

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine")


def available() -> bool:
    """Whether CuPy imports and a CUDA device answers."""
    try:
        import cupy

        return bool(cupy.cuda.runtime.getDeviceCount() > 0)
    except Exception:  # CuPy raises its own errors for a missing driver, library or device
        return False
