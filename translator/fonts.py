"""Chinese labels in figures: a small font that travels with the course, so that no machine needs one installed.

`data/NotoSansCJKsc-subset.otf` is Noto Sans CJK SC 2.004 (SIL Open Font License, `data/OFL.txt`) cut down to printable
ASCII, the usual Chinese punctuation and 2,894 characters: those of the course's corpora, its notes and its glossary.
It was made with fontTools from Debian's package fonts-noto-cjk, where CHARACTERS is a text file of them all:

    pyftsubset NotoSansCJK-Regular.ttc --font-number=2 --text-file=CHARACTERS \\
        --layout-features='' --no-hinting --desubroutinize

Then the tables for layout (GPOS, GSUB, BASE, VORG, vhea, vmtx) were dropped and the family was renamed, so that a full
Noto on the same machine can't take its place and change the figures.
"""

from pathlib import Path

import matplotlib
from matplotlib import font_manager

FONT = Path(__file__).parent / "data" / "NotoSansCJKsc-subset.otf"
FAMILY = "Noto Sans CJK SC Course Subset"


def use_chinese_font() -> None:
    """Let matplotlib write Chinese: register the course's font behind the present ones. Calling it again is fine."""
    if FAMILY not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(FONT)
    families = matplotlib.rcParams["font.family"]
    if FAMILY not in families:
        matplotlib.rcParams["font.family"] = [*families, FAMILY]
