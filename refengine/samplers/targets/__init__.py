"""Target densities with their gradients: one module each."""

from refengine._tree import subpackages
from refengine.samplers.targets._target import Target as Target

__getattr__, __dir__ = subpackages(__name__)
