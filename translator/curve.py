"""The curve of a run, drawn from its metrics: loss and BLEU against the minutes that it took."""

import io

from matplotlib.figure import Figure

from translator.runs import Run, write


def draw(run: Run) -> Figure:
    """Loss on the left axis (of the batches, and on valid), BLEU on valid on the right one."""
    metrics = run.metrics()
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    losses = figure.subplots()
    for key, label, style in [
        ("loss", "loss while training (smoothed labels, dropout)", "C0-"),
        ("valid_loss", "loss on valid", "C1.-"),
        ("valid_bleu", "BLEU on valid (right)", "C2.-"),
    ]:
        points = [(line["seconds"] / 60, line[key]) for line in metrics if key in line]
        if not points:
            continue
        axes = losses.twinx() if key == "valid_bleu" else losses
        axes.plot(*zip(*points, strict=True), style, label=label)
        axes.set(ylabel="BLEU, greedy" if key == "valid_bleu" else "loss a token, nats", ylim=(0, None))
    losses.set(xlabel="minutes of training", xlim=(0, None))
    figure.legend(loc="outside upper center", ncols=3, fontsize="small", frameon=False)
    return figure


def keep(run: Run) -> None:
    """Write the curve into the run's folder, as curve.svg."""
    drawing = io.BytesIO()
    draw(run).savefig(drawing, format="svg")
    write(run.folder / "curve.svg", drawing.getvalue())
