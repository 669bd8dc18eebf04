"""How the book's kernels show figures: as SVG, the same bytes every time; `book_execution` gives them this profile."""

c = get_config()  # noqa: F821  (IPython provides it)

c.HistoryManager.enabled = False
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Creator": None, "Date": None}}
