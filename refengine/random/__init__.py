"""Random numbers as pure functions of a key and a counter: the same bits on every backend, no state anywhere.

Each file holds the function that it is named after. `key` names a stream, `counters` numbers its blocks; a stream is as
good as another whatever their keys, so chains, workers and experiments each take a key of their own.
"""

from refengine.random._streams import Stream, counters, key
from refengine.random.integers import integers
from refengine.random.normal import normal
from refengine.random.philox import philox
from refengine.random.threefry import threefry
from refengine.random.uniform import uniform

__all__ = ["Stream", "counters", "integers", "key", "normal", "philox", "threefry", "uniform"]
