"""The instructor's subcommands of the command line: ``release``, ``grade``, ``report`` and ``doctor``.

nbgrader takes seconds to import, so each command imports what it needs when it runs.
"""

import gc
import sys
from contextlib import suppress
from pathlib import Path


def add_commands(subparsers) -> None:
    """Add the instructor's commands to an argparse ``subparsers``; each parser's ``run`` takes the arguments."""
    parser = subparsers.add_parser(
        "release",
        help="make exercises/ out of solutions/, and prove that it can be handed out",
        description="Make exercises/ out of solutions/ through nbgrader, and prove each fit to be handed out.",
    )
    parser.add_argument("assignments", nargs="*", metavar="ASSIGNMENT", help="such as 01-rnn (default: all of them)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if exercises/ is not up to date")
    parser.set_defaults(run=run_release)

    parser = subparsers.add_parser(
        "grade",
        help="grade what students handed in",
        description=(
            "Grade COURSE/submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb of every student into COURSE/gradebook.db and "
            "COURSE/autograded. What is graded already is skipped unless it was handed in again. "
            "Student code runs in a sandbox, for which bubblewrap has to be installed."
        ),
    )
    parser.add_argument("assignments", nargs="+", metavar="ASSIGNMENT", help="such as 01-rnn")
    parser.add_argument("--course", type=Path, metavar="DIR", help="the course directory (default: this repository)")
    parser.add_argument("--force", action="store_true", help="grade again what is graded already; manual grades stay")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=int,
        choices=range(1, 257),
        default=1,
        metavar="N",
        help="how many submissions to grade at a time (default: 1); about one a processor",
    )
    where.add_argument(
        "--dask",
        default="",
        metavar="ADDRESS",
        help=(
            "grade on the workers of the Dask scheduler at ADDRESS (tcp://HOST:8786). All of them have to see the "
            "course directory under the same path"
        ),
    )
    parser.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run student code as you, with all that you may do: only for hand-ins of people you trust",
    )
    parser.set_defaults(run=run_grade)

    parser = subparsers.add_parser(
        "report",
        help="make a page about a class: points, exercises, mistakes, hand-ins to look at",
        description=(
            "Make one self-contained HTML page of what the grading says: how the points are spread, how easy each "
            "exercise was and whether it tells students apart, which known mistakes were made, what could not be "
            "graded and why, and which answers are the same. It names students: it is for instructors."
        ),
    )
    parser.add_argument("assignments", nargs="*", metavar="ASSIGNMENT", help="such as 01-rnn (default: all graded)")
    parser.add_argument("--course", type=Path, metavar="DIR", help="the course directory (default: this repository)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: DIR/reports/ASSIGNMENT.html)")
    parser.set_defaults(run=run_report)

    about = "say what this machine lacks for grading, and how to get it"
    parser = subparsers.add_parser("doctor", help=about, description=about.capitalize() + ".")
    parser.add_argument("--course", type=Path, metavar="DIR", help="the course directory (default: this repository)")
    parser.set_defaults(run=run_doctor)


def run_release(args) -> int:
    """Exit status 0: done, or up to date; 1: an assignment can't be handed out; 2: bad input."""
    from autograder.grading.course import BadInput
    from autograder.grading.release import Defective, release

    try:
        changed = release(args.assignments, check=args.check)
    except BadInput as error:
        return complain(error)
    except Defective as error:
        print(*error.defects, sep="\n", file=sys.stderr)
        return 1
    print("\n".join(f"exercises/{name} is new" for name in changed) or "exercises/ is up to date")
    return 0


def run_grade(args) -> int:
    """Exit status 0: every submission has a score or a stated reason; 1: one has neither; 2: bad input."""
    gc.disable()  # nothing of what is imported is garbage
    from autograder.grading.deferred import deferred
    from autograder.grading.sandbox import PACKAGE, NoSandbox, shared_sandbox

    course = (args.course or PACKAGE.parent).absolute()
    if not (args.unsafe_no_sandbox or args.dask):
        with suppress(NoSandbox):  # which `grade` will say
            shared_sandbox(str(course)).begin()  # it has as much to import as we have
    with deferred():
        from autograder.grading.course import BadInput
        from autograder.grading.grade import grade
    gc.freeze()
    gc.set_threshold(50_000)  # and next to nothing of what is made for a hand-in is, in cycles
    gc.enable()
    try:
        return grade(
            args.assignments,
            course,
            args.force,
            confined=not args.unsafe_no_sandbox,
            workers=args.workers,
            dask=args.dask,
        )
    except BadInput as error:
        return complain(error)
    except OSError as error:  # a full disk, say
        return complain(f"{error}. What is graded is kept; put that right, and the same command goes on from there.")
    except KeyboardInterrupt:
        print("autograder: stopped. What is graded is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    finally:
        gc.freeze()  # or Python would look through all that was imported, and take it apart, before it ends


def run_report(args) -> int:
    """Exit status 0: the page is written; 2: bad input."""
    from autograder.grading.config import REPOSITORY
    from autograder.grading.course import BadInput
    from autograder.grading.page import write_page

    try:
        path = write_page(args.assignments, args.course or REPOSITORY, args.out)
    except BadInput as error:
        return complain(error)
    print(path)
    return 0


def run_doctor(args) -> int:
    """Exit status 0: nothing is missing; 1: something is."""
    from autograder.grading.config import REPOSITORY
    from autograder.grading.doctor import examine

    findings = examine(args.course or REPOSITORY)
    for finding in findings:
        print(
            f"{'missing' if finding.trouble else 'ok':8}{finding.what}" + f": {finding.trouble}" * bool(finding.trouble)
        )
    return int(any(finding.trouble for finding in findings))


def complain(error: Exception) -> int:
    print(f"autograder: {error}", file=sys.stderr)
    return 2
