"""``python -m runner``: see ``python -m runner --help``."""

import sys

if __name__ == "__main__":
    try:
        from runner.cli import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the command has taken signals over: nothing was begun
        sys.exit("stopped by SIGINT; nothing was in flight")
