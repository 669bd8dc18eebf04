"""Writes each chapter as a notebook for Colab, without outputs: `book/NN-name.md` → `book/colab/NN-name.ipynb`.

    python book/_ext/colab_notebooks.py [--check]

``--check`` writes nothing and fails where a notebook is missing, stale or left over. It accepts notebooks made for
another repository (a fork's, as their badges say) if they are right for that one. Cells have ids made from the
chapter's own text, so that an edit in one cell leaves the others' ids alone. The words are `colab_markdown`'s work.
"""

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from colab_markdown import Book, ChapterError, Converter, Directive, Page, directive_of, figure_of, leftover

from autograder import colab

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "book/colab"
FOLDED = {"hide-input", "hide-cell", "remove-input"}  # code that a reader may skip, but that has to run
TAGS = {*FOLDED, "remove-cell", "hide-output", "remove-output", "remove-stdout", "remove-stderr"}


@dataclass(frozen=True)
class Piece:
    """One stretch of a chapter that becomes a cell, Markdown or code; ``line`` is where it begins."""

    text: str
    line: int
    code: Directive | None = None


@dataclass(frozen=True)
class Cell:
    """One cell of the notebook."""

    id: str
    source: str
    code: bool = False
    folded: bool = False


# ---- from a page to cells -----------------------------------------------------------------------------------------


def pieces(book: Book, page: Page) -> list[Piece]:
    """The page cut at its code cells, at headings of the first three levels (labels go with them) and at ``+++``."""
    rows = page.text.splitlines()
    found: list[Piece] = []
    start, dropped = 0, False

    def close(end: int) -> None:
        text = "\n".join(rows[start:end])
        if text.strip() and not dropped:
            found.append(Piece(text, start + 1))

    label_at = None
    for token in book.parser.parse(page.text):
        if token.level or not token.map:
            continue
        first, last = token.map
        if token.type == "front_matter":
            start = last
        elif token.type == "heading_open" and token.tag in ("h1", "h2", "h3"):
            cut = first if label_at is None else label_at
            close(cut)
            start, dropped = cut, False
        elif token.type == "myst_block_break":
            close(first)
            tags = (yaml.safe_load(token.content) or {}).get("tags", [])
            start, dropped = last, "remove-cell" in tags
        elif (directive := directive_of(page, token, first + 1)) and directive.name == "code-cell":
            close(first)
            found.append(Piece(directive.body, first + 1, directive))
            start, dropped = last, False
        if token.tag == "h1" and not found:  # the title stands alone: the badge goes below it
            close(last)
            start = last
        if token.type != "myst_target":
            label_at = None
        elif label_at is None:
            label_at = first
    close(len(rows))
    return found


def cells(book: Book, page: Page) -> Iterator[Cell]:
    """The notebook's cells: title and badge, set-up, then the page's own."""
    converter = Converter(book, page)
    seen: Counter[str] = Counter()
    for number, piece in enumerate(pieces(book, page)):
        key = hashlib.sha256(piece.text.strip().encode()).hexdigest()[:12]
        seen[key] += 1
        name = key if seen[key] == 1 else f"{key}-{seen[key]}"
        if number == 0:
            title = "" if piece.code else plain(page, converter, piece)
            if not re.fullmatch("# .+", title):
                raise page.error(piece.line, "a chapter begins with its title: # and a space before it")
            yield Cell("title", "\n\n".join([title, colab.badge(path_of(page), book.repository), about(book, page)]))
            yield Cell("set-up", colab.setup_cell(book.repository).rstrip("\n"), code=True, folded=True)
        elif piece.code:
            yield from code_cells(book, page, converter, piece, name)
        elif source := plain(page, converter, piece):
            yield Cell(name, source)


def plain(page: Page, converter: Converter, piece: Piece) -> str:
    """A Markdown piece as plain Markdown, the footnotes that it is the first to use below it."""
    known = set(converter.footnotes)
    source = converter.markdown(piece.text, piece.line)
    new = [label for label in converter.footnotes if label not in known]
    source = "\n\n".join([source, *map(converter.footnote, new)])
    if odd := leftover(source):
        raise page.error(piece.line, f"below this line, {odd!r} would be shown as it stands")
    return source.strip("\n")


def code_cells(book: Book, page: Page, converter: Converter, piece: Piece, name: str) -> Iterator[Cell]:
    """A code cell, and a figure's caption as a cell below it."""
    tags = piece.code.options.get("tags", [])
    if "raises-exception" in tags:
        raise page.error(piece.line, "Colab's Run all stops at an exception: catch it in the cell and print it")
    if unknown := set(tags) - TAGS:
        raise page.error(piece.line, f"the tag {min(unknown)!r}: not known what it should do in a notebook")
    if "load" in piece.code.options:
        raise page.error(piece.line, "a cell loaded from a file, which a notebook in Colab does not have")
    if "remove-cell" in tags:
        return
    folded = bool(FOLDED & set(tags))
    caption, figure = figure_of(piece.code), ""
    if caption:
        label = piece.code.options["mystnb"]["figure"]["name"]
        figure = book.figure_number(label)
    title = f"# @title Code of {figure}\n" if figure else "# @title Code\n"  # what Colab shows of a folded cell
    yield Cell(name, (title if folded else "") + piece.text, code=True, folded=folded)
    if caption:
        words = converter.caption(figure, caption, piece.line)
        if alt := " ".join(piece.code.options["mystnb"].get("image", {}).get("alt", "").split()):
            words += f"\n\n<details>\n<summary>{figure} in words</summary>\n\n{alt}\n\n</details>"
        yield Cell(f"{label}-caption"[-64:], words)


def about(book: Book, page: Page) -> str:
    """The line below the badge: where the notebook comes from."""
    home = book.repository.book_url
    return f"A chapter of [{book.title}]({home}), to run and to change. [The page in the book]({book.url(page.name)})"


# ---- from cells to files ------------------------------------------------------------------------------------------


def path_of(page: Page) -> str:
    """The page's notebook, from the repository's root."""
    return f"{FOLDER}/{page.path.stem}.ipynb"


def notebook(book: Book, page: Page) -> str:
    """The text of the page's notebook file: nbformat 4.5, no outputs, no metadata but what opening it needs."""
    new = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    if accelerator := page.front.get("accelerator"):  # the front matter of a chapter that wants Colab's GPU
        new.metadata["accelerator"] = accelerator
    for cell in cells(book, page):
        make = nbformat.v4.new_code_cell if cell.code else nbformat.v4.new_markdown_cell
        new.cells.append(make(cell.source, id=cell.id, metadata=colab.FOLDED if cell.folded else {}))
    nbformat.validate(new)
    return nbformat.writes(new) + "\n"


def notebooks(root: Path, repository: colab.Repository) -> dict[str, str]:
    """The text of every notebook, by its path from ``root``.

    The front page is no chapter, nor is a page without code, nor one whose front matter says ``colab: false``.

    Raises `ChapterError` with one line for each chapter that cannot be converted.
    """
    book = Book(root, repository)
    made, errors = {}, []
    for page in book.pages.values():
        try:
            chapter = page.name != book.root_page and page.front.get("colab", True)
            if chapter and any(piece.code for piece in pieces(book, page)):
                made[path_of(page)] = notebook(book, page)
        except ChapterError as error:
            errors.append(str(error))
    if errors:
        raise ChapterError("\n".join(errors))
    return made


def check(root: Path) -> list[str]:
    """What is wrong with the notebooks in ``root``, one line each."""
    there = {f"{FOLDER}/{file.name}": file.read_text(encoding="utf-8") for file in (root / FOLDER).glob("*.ipynb")}
    stated = {colab.stated(path, text) for path, text in there.items()} - {None}
    made = notebooks(root, stated.pop() if len(stated) == 1 else colab.repository())
    return [
        *(f"{path} is missing" for path in sorted(made.keys() - there.keys())),
        *(f"{path} belongs to no chapter" for path in sorted(there.keys() - made.keys())),
        *(
            f"{path} is not what its chapter gives"
            for path in sorted(made.keys() & there.keys())
            if made[path] != there[path]
        ),
    ]


def write(root: Path) -> None:
    """Write every notebook that changed, and remove those that belong to no chapter."""
    made = notebooks(root, colab.repository())
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    for path, text in made.items():
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text:
            (root / path).write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    for file in folder.glob("*.ipynb"):
        if f"{FOLDER}/{file.name}" not in made:
            file.unlink()
            print(f"removed {FOLDER}/{file.name}, which belongs to no chapter")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Write each chapter as a notebook for Colab, in book/colab/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a notebook is not up to date")
    try:
        if not parser.parse_args(arguments).check:
            write(root)
            return 0
        wrong = check(root)
    except ChapterError as error:
        print(error, file=sys.stderr)
        return 1
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        print("Run: python book/_ext/colab_notebooks.py", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
