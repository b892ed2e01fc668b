"""``python -m refengine`` is the ``refengine`` command."""

from refengine.cli import main

if __name__ == "__main__":
    main()
