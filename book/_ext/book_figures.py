"""Figures of the chapters: a light and a dark version of each, and what every figure must have.

A chapter draws each figure once, in plain matplotlib, and the build's kernels return it as SVG. Here the colours of
that one drawing are exchanged for those of a light and of a dark page; the page shows the one that fits its theme.
What is exchanged:

- the placeholders of `ipython/matplotlibrc`: text and lines (ink), grid and frame (faint), and the background (paper);
- matplotlib's ten default colours, however a chapter names them (`C0`, `tab:blue`, the cycle): the same hues, at a
  contrast of at least 4.5 to 1 with the page, so that coloured labels can be read as well;
- black lines and edges, which would vanish on a dark page, become ink; white ones become paper, and so do areas
  filled with pure white.

Everything else stays: other colours, and black or white text, which is how a number stays legible on its heat-map cell.

Pixels (`imshow`) keep their order from light to dark, since text and captions speak of it, but on a dark page white is
toned down to a grey that does not glare (`DIM`). What is drawn on top of them has the colours of the light page.

A figure needs a caption, a name and an alternative text, is at most `MAX_BYTES` large, and has at most `MAX_POINTS`
points that are not `rasterized=True`. What is missing is a warning, and warnings stop the build. It is not for
pictures that were not drawn in a cell, but these need an alternative text, too.
"""

import base64
import hashlib
import io
import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

log = logging.getLogger(__name__)

MAX_BYTES = 400_000
MAX_POINTS = 2_000
PIXELS_PER_POINT = 96 / 72
WIDE = 560  # pixels; wider figures scroll on a phone

# placeholder or matplotlib default: (light page, dark page)
PAPER = ("#ffffff", "#121212")
INK = ("#222832", "#ced6dd")
COLOURS = {
    "#1b2a3a": INK,
    "#b9c0c8": ("#b9c0c8", "#5a6675"),
    "#fdfefd": PAPER,
    "#1f77b4": ("#1f6fa8", "#6cb4ee"),  # blue
    "#ff7f0e": ("#b85300", "#ffa24d"),  # orange
    "#2ca02c": ("#1f7f1f", "#5fc75f"),  # green
    "#d62728": ("#c92122", "#ff8080"),  # red
    "#9467bd": ("#8455b0", "#c4a3e8"),  # purple
    "#8c564b": ("#8c564b", "#cf9f92"),  # brown
    "#e377c2": ("#b53c92", "#f0a3d8"),  # pink
    "#7f7f7f": ("#6b6b6b", "#a8a8a8"),  # grey
    "#bcbd22": ("#74750a", "#d2d350"),  # olive
    "#17becf": ("#08798a", "#4dd4e2"),  # cyan
}
SHAPE = re.compile(r"<(?:path|use)\b[^>]*?>")
AXES = re.compile(r'^  <g id="axes_\d+">\n.*?^  </g>\n', re.MULTILINE | re.DOTALL)
PART = re.compile(r'^   <g id="(?P<kind>[\w.]+?)_\d+">\n.*?^   </g>\n', re.MULTILINE | re.DOTALL)  # of an axes
PIXELS = re.compile(r'<image xlink:href="data:image/png;base64,(?P<png>[^"]*)"')
DARKEST, LIGHTEST = 0.05, 0.7  # of pixels on a dark page, where black is 0 and white is 1
LINEAR = f'type="linear" slope="{LIGHTEST - DARKEST:.2f}" intercept="{DARKEST}"'
DIM = (
    '<filter id="dim" color-interpolation-filters="sRGB"><feComponentTransfer>'
    f"<feFuncR {LINEAR}/><feFuncG {LINEAR}/><feFuncB {LINEAR}/></feComponentTransfer></filter>"
)


def recolour(svg: str, dark: bool) -> str:
    """The drawing with the colours of a light or a dark page."""

    def shape(match: re.Match) -> str:
        element = match[0].replace("stroke: #000000", f"stroke: {INK[dark]}")
        return re.sub(r"\b(fill|stroke): #ffffff", rf"\1: {PAPER[dark]}", element)

    def whole(svg: str) -> str:
        return re.sub("|".join(COLOURS), lambda match: COLOURS[match[0]][dark], SHAPE.sub(shape, svg))

    return whole(AXES.sub(tone_down, svg).replace("<defs>", f"<defs>{DIM}", 1) if dark else svg)


def tone_down(axes: re.Match) -> str:
    """An axes for a dark page: if it has pixels, they are dimmed, and what lies on them is as on a light page."""
    found = [image for image in PIXELS.finditer(axes[0]) if is_opaque(image["png"])]
    if not found:
        return axes[0]

    def on_top(part: re.Match) -> str:
        frame = "stroke-linejoin: miter; stroke-linecap: square" in part[0]  # matplotlib's own, around the axes
        if frame or part["kind"] in ("matplotlib.axis", "text", "legend"):
            return part[0]
        return recolour(part[0], dark=False)

    below, above = axes[0][: found[0].end()], axes[0][found[0].end() :]
    return PIXELS.sub(lambda image: f'<image filter="url(#dim)"{image[0][6:]}', below) + PART.sub(on_top, above)


def is_opaque(png: str) -> bool:
    """Whether each pixel hides the page or is not there; where some let it through, that makes them light or dark."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return "A" not in image.getbands() or not any(image.getchannel("A").histogram()[1:255])


def count_points(svg: str) -> int:
    """Markers and line vertices of a matplotlib SVG, glyphs and definitions not counted."""
    drawn = re.sub(r"<defs>.*?</defs>", "", svg, flags=re.DOTALL)
    drawn = re.sub(r'<g id="text_\d+">.*?</g>\s*</g>', "", drawn, flags=re.DOTALL)
    return len(re.findall(r"<use\b", drawn)) + len(re.findall(r"^L ", drawn, flags=re.MULTILINE))


def size_in_pixels(svg: str) -> tuple[int, int]:
    """Width and height in CSS pixels, which matplotlib writes in points."""
    width, height = (re.search(rf'<svg [^>]*?\b{side}="([\d.]+)pt"', svg) for side in ("width", "height"))
    return round(float(width[1]) * PIXELS_PER_POINT), round(float(height[1]) * PIXELS_PER_POINT)


class ThemedFigures(SphinxTransform):
    """Replaces each figure that a cell drew by its two versions, after checking it."""

    default_priority = 300  # before Sphinx collects the images

    def apply(self, **kwargs) -> None:
        for image in list(self.document.findall(nodes.image)):
            if not image.get("alt", "").strip():
                self.complain(
                    image, "missing-alt", "has no alternative text: say what it shows, under mystnb: image: alt:"
                )
            if self.drawn_in_cell(image):
                self.check_figure(image)
                if image["uri"].endswith(".svg"):
                    self.replace(image)

    @staticmethod
    def drawn_in_cell(image: nodes.image) -> bool:
        return isinstance(image.parent, nodes.container) and "mime_type" in image.parent

    def check_figure(self, image: nodes.image) -> None:
        figure = image.parent
        while figure is not None and not isinstance(figure, nodes.figure):
            figure = figure.parent
        if figure is None or not any(isinstance(child, nodes.caption) for child in figure.children):
            self.complain(
                image, "missing-caption", "has no caption: say what to see in it, under mystnb: figure: caption:"
            )
        if figure is None or not figure.get("names"):
            self.complain(image, "missing-name", "has no name to refer to it by: give one under mystnb: figure: name:")

    def replace(self, image: nodes.image) -> None:
        source = Path(self.app.srcdir, image["uri"].lstrip("/"))
        svg = source.read_text(encoding="utf-8")
        if len(svg) > MAX_BYTES:
            self.complain(
                image,
                "too-large",
                f"is {len(svg) // 1000} kB of SVG, more than {MAX_BYTES // 1000}: draw less of it, or rasterized=True",
            )
        elif (points := count_points(svg)) > MAX_POINTS:
            self.complain(
                image, "too-many-points", f"has {points} points, more than {MAX_POINTS}: draw them with rasterized=True"
            )
        width, height = size_in_pixels(svg)
        versions = []
        for theme, dark in (("light", False), ("dark", True)):
            text = recolour(svg, dark)
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            path = source.with_name(f"{digest}-{theme}.svg")
            path.write_text(text, encoding="utf-8")
            version = image.deepcopy()
            version["uri"] = image["uri"].rpartition("/")[0] + "/" + path.name
            version["classes"] = [
                *image["classes"],
                f"figure-{theme}",
                *(["figure-wide"] if width > WIDE else []),
                "dark-light",
            ]  # the last: no filter of the theme's
            version["width"], version["height"] = f"{width}px", f"{height}px"
            version["loading"] = "lazy"  # so that the hidden one is not fetched
            versions.append(version)
        image.replace_self(nodes.container("", *versions, classes=["figure-frame"]))

    def complain(self, image: nodes.image, subtype: str, problem: str) -> None:
        place = image
        while not place.line and place.parent is not None:
            place = place.parent  # the cell, whose line is known
        where = (self.env.docname, place.line)
        log.warning("this figure %s", problem, location=where, type="figures", subtype=subtype)


def setup(app):
    app.add_transform(ThemedFigures)
    return {"version": "1", "env_version": 2, "parallel_read_safe": True, "parallel_write_safe": True}
