"""C{python -m gunnet} is C{gunnet}."""

import sys

from gunnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
