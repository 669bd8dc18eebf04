"""The command line: ``autograder check`` for students; ``release`` and ``grade`` for instructors, who have nbgrader."""

import argparse
import sys
from pathlib import Path

from autograder.grading.commands import add_commands

CHECK_NEEDS = "nbclient ipykernel"
GRADING_NEEDS = "'keep-the-attention[grading]'"


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit status 0: all is well (every exercise solved); 1: not all; 2: bad input."""
    parser = argparse.ArgumentParser(prog="autograder", description="Checks and grades the course's exercises.")
    parser.set_defaults(needs=GRADING_NEEDS)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    add_check(commands)
    add_commands(commands)
    options = parser.parse_args(argv)
    try:
        return options.run(options)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("autograder"):
            raise
        return fail(f"autograder {options.command} needs {error.name}, which is not here: pip install {options.needs}")


def add_check(commands) -> None:
    """``autograder check NOTEBOOK``."""
    about = "run a notebook and show its exercises, points, and hints"
    parser = commands.add_parser("check", help=about, description=about)
    parser.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--timeout", type=positive, default=120, metavar="SECONDS", help="for one cell (default: 120)")
    parser.add_argument("--kernel", metavar="NAME", help="the Jupyter kernel to use (default: the notebook's own)")
    parser.set_defaults(run=run_check, needs=CHECK_NEEDS)


def positive(words: str) -> int:
    """A whole number of at least 1, for argparse."""
    if (number := int(words)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def run_check(options: argparse.Namespace) -> int:
    """Exit status 0: every exercise is solved; 1: not every one; 2: the notebook cannot be checked."""
    from autograder.notebook import Unusable, check_notebook  # needs Jupyter, which grading on a server may lack

    try:
        report, solved = check_notebook(options.notebook, options.timeout, options.kernel)
    except Unusable as error:
        return fail(str(error))
    print(report)
    return 0 if solved else 1


def fail(sentence: str) -> int:
    """One sentence on standard error, and the exit status for bad input."""
    print(f"autograder: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
