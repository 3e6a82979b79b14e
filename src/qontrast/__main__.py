"""``python -m qontrast`` and the console script."""

import os
import sys


def main() -> None:
    """Run the command line and exit with its status."""
    # Threads that spin while they wait take the processor from the processes that make the views.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from qontrast.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
