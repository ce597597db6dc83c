"""``python -m edgecnn`` is the ``edgecnn`` command."""

from edgecnn.cli.main import main

if __name__ == "__main__":
    main()
