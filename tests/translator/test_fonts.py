"""Figures can show Chinese, quietly."""

import io
import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.ft2font import FT2Font

from translator.fonts import FAMILY, FONT, use_chinese_font
from translator.synthetic import lexicon


@pytest.fixture
def fresh_settings():
    with matplotlib.rc_context():
        matplotlib.rcParams["font.family"] = ["sans-serif"]
        yield


def test_it_stands_behind_the_font_that_was_there(fresh_settings):
    use_chinese_font()
    use_chinese_font()
    assert matplotlib.rcParams["font.family"] == ["sans-serif", FAMILY]


def test_every_character_of_the_corpus_is_in_the_font():
    known = FT2Font(str(FONT)).get_charmap()
    used = {character for words in lexicon().values() for word in words for character in word.name}
    assert not [character for character in used | set("，？。吗了过着的被把比") if ord(character) not in known]


def test_a_figure_with_chinese_labels_warns_of_nothing(tmp_path):
    code = (
        "import matplotlib; matplotlib.use('svg')\n"
        "import matplotlib.pyplot as plt\n"
        "from translator.fonts import use_chinese_font\n"
        "use_chinese_font()\n"
        "plt.title('我 想 吃 汉堡 → I want to eat a hamburger, α'); plt.savefig('figure.svg')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_it_the_characters_are_missing(fresh_settings):
    """So the tests above would notice if the font did nothing."""
    matplotlib.rcParams["font.family"] = ["DejaVu Sans"]
    figure, ax = plt.subplots()
    ax.set_title("汉堡")
    with pytest.warns(UserWarning, match="missing from font"):
        figure.savefig(io.BytesIO(), format="png")
    plt.close(figure)


def test_font_and_licence_travel_together():
    assert FONT.stat().st_size < 700_000
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONT.parent / "OFL.txt").read_text(encoding="utf-8")
