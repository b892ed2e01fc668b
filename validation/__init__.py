"""What proves refengine right: the exact tier, the generator of the golden vectors, benchmarks. Not installed."""
