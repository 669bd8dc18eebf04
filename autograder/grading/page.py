"""Makes one HTML page of the reports on a class: self-contained, without scripts, readable on a phone and in the dark.

What a student could have written, names included, goes through `foreign` and is text, never markup. The page's own
policy forbids scripts and requests to elsewhere, should that ever fail.
"""

import html
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from autograder.grading.course import BadInput
from autograder.grading.likeness import LEAST
from autograder.grading.report import FEWEST, HandIn, Known, Part, Report, reports
from autograder.render import tag

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --soft: #57606a; --line: #d0d7de; --tint: #f3f5f7;
  --link: #0a58ca; --bar: #2f6f9f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e8ea; --soft: #a5adb6; --line: #3a424c;
  --tint: #1e242b; --link: #79b8ff; --bar: #5b9bc8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
header, main, nav { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 1.6em 0 .4em; overflow-wrap: anywhere; }
main > section + section { border-top: 2px solid var(--line); margin-top: 3rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, .wide:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
p, li, td, th, summary { overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .92rem; }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .95rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } thead th { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.name { min-width: 11rem; }
.words { min-width: 14rem; }
.bars { min-width: 11rem; white-space: nowrap; }
.bars > span:first-child { display: inline-block; width: 3.2rem; font-variant-numeric: tabular-nums; }
.room { display: inline-block; width: calc(100% - 3.4rem); vertical-align: middle; }
.bar { display: block; height: .8rem; background: var(--bar); border-radius: 2px; }
.bands { width: 100%; max-width: 36rem; } .bands .bars { width: 100%; }
.facts { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; margin: 1rem 0; list-style: none; }
.facts li { background: var(--tint); border-radius: 6px; padding: .5rem .9rem; }
.facts strong { display: block; font-size: 1.25rem; }
details { margin: .5rem 0; } summary { cursor: pointer; padding: .2rem 0; }
.card { background: var(--tint); border-radius: 6px; padding: .1rem 1rem .5rem; margin: .8rem 0; }
.card h4, .card h5 { margin: .7rem 0 .3rem; }
td p { margin: 0 0 .3em; }
@media (max-width: 40rem) { .name { min-width: 6rem; } .words { min-width: 11rem; } }
@media print { details:not([open]) { display: none; } }
"""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_page(names: Sequence[str], course: Path, out: Path | None = None) -> Path:
    """Write the report on the assignments named, or on all that are graded, and return where it is. Raises BadInput."""
    found = reports(names, course)
    path = out or course / "reports" / f"{found[0].name if len(found) == 1 else 'all'}.html"
    content = page(course.absolute().name, found, datetime.now().astimezone())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            fresh.touch(0o600)  # it names students
            fresh.write_text(content, encoding="utf-8")
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"{path} can't be written: {error.strerror}.") from None
    return path


def page(course: str, found: Sequence[Report], made: datetime) -> str:
    """The whole page. ``course`` is the course's name, ``made`` says when the report was made."""
    title = f"Report on {found[0].name}" if len(found) == 1 else "Report on all assignments"
    links = "".join(tag("li", tag("a", shown(one.name), href=f"#{anchor(one.name)}")) for one in found)
    nav = element("nav", tag("ul", links), aria_label="Assignments") if len(found) > 1 else ""
    head = tag("h1", "Report") + soft(f"{course}, {made:%Y-%m-%d %H:%M %Z}. For instructors: it names students.")
    body = element("header", head) + nav + element("main", "".join(map(assignment, found)))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n<link rel="icon" href="data:,">\n'
        f"<title>{shown(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


# ---- words to markup ------------------------------------------------------------------------------------------------


def shown(words: object) -> str:
    """Words as text: nothing in them is markup."""
    return html.escape(str(words).encode("utf-8", "replace").decode("utf-8"))


def foreign(words: str) -> str:
    """Words of a student's as text that can't run into ours: no control character, nothing that turns the line."""
    clean = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in words)
    return tag("bdi", shown(clean))


def element(name: str, inner: str, kind: str = "", **attributes: str) -> str:
    """An element around markup, with a class."""
    return tag(name, inner, **({"class": kind} if kind else {}), **attributes) + "\n"


def soft(words: str) -> str:
    return element("p", shown(words), "soft")


def anchor(*parts: str) -> str:
    return "-".join(parts).replace(" ", "-")


def share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def people(students: Iterable[str]) -> str:
    return ", ".join(map(foreign, students))


def several(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def table(caption: str, head: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table that scrolls by itself. ``head`` holds titles and classes; ``rows`` are markup, a title comes first."""
    top = "".join(element("th", shown(title), style, scope="col") for title, style in head)
    body = ""
    for row in rows:
        cells = element("th", row[0], head[0][1], scope="row")
        cells += "".join(element("td", cell, style) for cell, (_, style) in zip(row[1:], head[1:], strict=True))
        body += tag("tr", cells)
    inner = element("table", tag("caption", shown(caption)) + tag("thead", tag("tr", top)) + tag("tbody", body), kind)
    return element("div", inner, "wide", role="group", aria_label=caption, tabindex="0")


def bar(words: str, part_of_all: float) -> str:
    """A number, and a bar for the eye."""
    drawn = element("span", "", "bar", style=f"width:{100 * min(max(part_of_all, 0), 1):.1f}%")
    return element("span", shown(words)) + element("span", drawn, "room", aria_hidden="true")


# ---- one assignment -------------------------------------------------------------------------------------------------


def assignment(one: Report) -> str:
    parts = [
        facts(one),
        scores(one),
        exercises(one),
        mistakes(one),
        not_graded(one),
        likeness(one),
        library_calls(one),
        notes(one),
        everyone(one),
    ]
    title = tag("h2", shown(one.name), id=anchor(one.name))
    return element("section", title + "".join(parts), aria_labelledby=anchor(one.name))


def facts(one: Report) -> str:
    told = [(len(one.graded), "graded"), (len(one.refused), "could not be graded")]
    told += [(len(one.waiting), "handed in, not graded yet")] * bool(one.waiting)
    told += [(len(one.absent), "on the list, nothing handed in")] * bool(one.absent)
    told += [(one.to_read, "with a written answer to read")] * bool(one.to_read)
    items = "".join(tag("li", tag("strong", str(count)) + words) for count, words in told)
    more = ""
    if one.absent:
        more += fold(f"Nothing handed in: {several(len(one.absent), 'student')}", tag("p", people(one.absent)))
    if one.torn:
        more += soft(
            f"{several(one.torn, 'line')} of the journal can't be read: a run that was ended midway leaves one. "
            "What such a line said is missing here; the points are the gradebook's."
        )
    return element("ul", items, "facts") + more


def fold(summary: str, inner: str, open_: bool = False) -> str:
    return f"<details{' open' if open_ else ''}>{tag('summary', shown(summary))}{inner}</details>\n"


def scores(one: Report) -> str:
    """How the points are spread: all of them, or those for checks while there are written answers to read."""
    title = tag("h3", "Points")
    if not one.graded:
        return title + soft("No hand-in could be graded.")
    unread = one.to_read > 0
    most = one.most_checks if unread else one.most
    points = sorted(one.checks(hand_in) if unread else hand_in.score for hand_in in one.graded)
    words = f"Of {most:g} points" + (" for checks alone: not every written answer has been read" if unread else "")
    middle = points[len(points) // 2] if len(points) % 2 else sum(points[len(points) // 2 - 1 :][:2]) / 2
    words += f". Mean {sum(points) / len(points):.1f}, median {middle:g}, from {points[0]:g} to {points[-1]:g}."
    bands = [0] * 10
    for value in points:
        bands[min(max(int(10 * value / most), 0), 9) if most else 9] += 1
    rows = [
        (f"{10 * i} to {10 * i + 10} %", bar(str(count), count / max(bands)))
        for i, count in reversed(list(enumerate(bands)))
    ]
    head = [("share of the points", "number"), ("hand-ins", "bars")]
    return title + element("p", shown(words)) + table("How many hand-ins reached which share", head, rows, "bands")


def exercises(one: Report) -> str:
    """A row for each exercise: how easy it was, whether it tells the strong from the weak, how the answers ended."""
    rows = []
    for part in one.parts:
        place = tag("a", shown(part.name), href=part.address) if part.address else shown(part.name)
        ends = [f"{kind} {count}" for kind, count in sorted(part.kinds.items(), key=lambda item: -item[1])]
        if part.written:
            ends = [f"written question, {part.count} read"]
        telling = "–" if part.discrimination is None else f"{part.discrimination:+.2f}".replace("-", "−")
        ease = bar(share(part.ease), part.ease or 0)
        rows.append((place, f"{part.most:g}", ease, telling, shown(", ".join(ends))))
    head = [("exercise", "name"), ("of", "number"), ("ease", "bars"), ("tells apart", "number")]
    head += [("answers", "words")]
    legend = (
        "Ease is the mean share of the points: 100 % is an exercise that everybody solved. “Tells apart” is the "
        "point-biserial correlation of solving the exercise with the points for all the other checks, from −1 to +1 "
        "(Guilford 1953, The correlation of an item with a composite of the remaining items in a test, Educational and "
        "Psychological Measurement 13, 87–93). Near 0, the exercise measures something else than the others. Below 0, "
        "those who do well elsewhere fail it: read its text again. There is no number below "
        f"{FEWEST} hand-ins, nor where all have the same points."
    )
    return tag("h3", "Exercises") + table("How each exercise went", head, rows) + soft(legend)


def mistakes(one: Report) -> str:
    """The known mistakes of each exercise, with the hint that the student got and the section to read again."""
    title = tag("h3", "Known mistakes")
    cards = "".join(card(part) for part in one.parts if part.known)
    if not cards:
        return title + soft("Nobody made one.")
    return title + soft("What the students were told is below each.") + cards


def card(part: Part) -> str:
    return element("div", tag("h4", shown(part.name)) + "".join(map(mistake, part.known)), "card")


def mistake(known: Known) -> str:
    count = len(known.students)
    place = f"section {known.section}"
    link = tag("a", shown(place), href=known.address) if known.address else shown(place)
    inner = tag("p", shown(known.mistake.hint) + " Read again: " + link + ".") + tag("p", people(known.students))
    return fold(f"{count} × {known.mistake.name}", inner)


def not_graded(one: Report) -> str:
    rows = [(foreign(hand_in.student), foreign(hand_in.reason)) for hand_in in one.refused]
    rows += [
        (foreign(student), shown("Handed in, but not in the gradebook: autograder grade grades it, or says why not."))
        for student in one.waiting
    ]
    if not rows:
        return ""
    title = tag("h3", "Could not be graded")
    words = soft("They have 0 points in the gradebook, and count in none of the figures above.") if one.refused else ""
    return title + words + table("Hand-ins without a grade", [("student", "name"), ("why", "words")], rows)


def likeness(one: Report) -> str:
    """The hand-ins that have answers in common."""
    title = tag("h3", "Answers in common")
    words = soft(
        "Compared without layout, comments, docstrings and the choice of names. Short answers are left out, and so are "
        "usual ones, which many have. The hand-ins below share at least "
        f"{LEAST} longer answers, or a written one. That is a reason to look, not a verdict: read them, and ask."
    )
    cards = ""
    for group in one.groups:
        items = ""
        for same in group.same:
            how = " (names and comments, too)" if same.to_the_letter else ""
            by = "" if len(same.students) == len(group.students) else ": " + people(same.students)
            wrong = wrongly(one, same.answer, same.students)
            items += tag("li", shown(same.answer.removesuffix("-answer")) + how + wrong + by)
        cards += element("div", tag("h4", people(group.students)) + tag("ul", items), "card")
    if one.as_model:
        rows = [(foreign(student), shown(", ".join(names))) for student, names in one.as_model.items()]
        head = [("student", "name"), ("answers", "words")]
        inner = soft("The model answers follow the chapters' formulas, and so do many students.") + table(
            "Longer answers that are the model's but for names", head, rows
        )
        cards += fold(f"As the model answer: {several(len(rows), 'hand-in')}", inner)
    return title + words + (cards or soft("None found."))


def library_calls(one: Report) -> str:
    """Who called the library's routine where an own one was asked for. It costs no point by itself."""
    rows = [
        (shown(part.name), shown(routine), people(students)) for part in one.parts for routine, students in part.called
    ]
    if not rows:
        return ""
    words = soft(
        "These answers call the routine that they were to build. They have kept their points: decide yourself."
    )
    head = [("exercise", "name"), ("routine", "words"), ("students", "words")]
    return tag("h3", "Library calls") + words + table("Answers that call the library's own", head, rows)


def wrongly(one: Report, answer: str, students: Iterable[str]) -> str:
    """The same wrong answer says more than the same right one."""
    name = answer.removesuffix("-answer")
    marks = {hand_in.student: hand_in.marks.get(name) for hand_in in one.graded}
    checked = any(part.name == name and not part.written for part in one.parts)
    return ", all wrong" if checked and all(marks.get(student) == 0 for student in students) else ""


def notes(one: Report) -> str:
    rows = [
        (foreign(hand_in.student), "".join(tag("p", foreign(note)) for note in hand_in.notes))
        for hand_in in [*one.graded, *one.refused]
        if hand_in.notes
    ]
    if not rows:
        return ""
    words = soft("What was put right before grading, and what happened while it ran.")
    head = [("student", "name"), ("remark", "words")]
    return tag("h3", "Remarks of the grader") + words + table("Remarks by student", head, rows)


def everyone(one: Report) -> str:
    """All points of all, folded."""
    hand_ins: list[HandIn] = sorted([*one.graded, *one.refused], key=lambda hand_in: hand_in.student)
    rows = []
    for hand_in in hand_ins:
        points = ["?" if part.name in hand_in.unread else f"{hand_in.marks.get(part.name, 0):g}" for part in one.parts]
        rows.append((foreign(hand_in.student), f"{hand_in.score:g}", *points))
    head = [("student", "name"), (f"of {one.most:g}", "number")]
    head += [(f"{part.name} ({part.most:g})", "number") for part in one.parts]
    inner = table("Points by student and exercise; ? is a written answer to read", head, rows)
    return tag("h3", "All hand-ins") + fold(several(len(rows), "hand-in"), inner)
