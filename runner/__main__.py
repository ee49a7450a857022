"""``python -m runner``: see ``python -m runner --help``."""

import sys

if __name__ == "__main__":
    try:
        from runner.cli import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the command has taken signals over: nothing was begun
        from runner.errors import Cancelled

        print("error: stopped by SIGINT; nothing was in flight", file=sys.stderr)
        sys.exit(Cancelled.exit_code)
