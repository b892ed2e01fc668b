"""Time and memory against other libraries: one file per comparison, each with a ``run()``."""
