"""Keep what a training run came to, as one small JSON file: where it comes from, its curve, its scores, some output.

    python benchmarks/translator_record.py --run runs/m [--data DIR] --out benchmarks/results/de-en.json
    python benchmarks/translator_record.py --run runs/a runs/b …   # runs/a, and what both reach together
    python benchmarks/translator_record.py --page # what chapter 10 shows of what has been kept: translator/recorded.py
    python benchmarks/translator_record.py        # a table of what has been kept

The scores are those of the corpus's test set, greedily and with beam 5 and the length normalisation that was best on
valid. The sentences shown are our own, never the corpus's: its licence is not this project's. Only for the synthetic
corpus, which the project writes itself, test sentences and the failures among them are shown.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from translator.corpora import Corpus, load
from translator.evaluation import quality, together, translations
from translator.runs import Run, revision

SENTENCES = {  # written for this file
    "multi30k-de-en": [
        "Ein Hund rennt über eine grüne Wiese.",
        "Zwei Kinder essen ein Eis vor einem kleinen Haus.",
        "Eine Frau mit rotem Hut liest in der Küche ein Buch.",
        "Der alte Mann, der am Fluss sitzt, spielt Gitarre.",
        "Die Aufmerksamkeit ist alles, was man braucht.",
    ],
    "tatoeba-zh-en": [
        "我想吃汉堡。",
        "你昨天为什么没有来？",
        "他的哥哥在学校教英语。",
        "如果明天下雨，我们就待在家里。",
        "注意力就是你所需要的一切。",
    ],
}
CPU = torch.device("cpu")
RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "translator" / "recorded.py"
SHOWN = 8  # sentences of the synthetic corpus


def scored(runs: Sequence[Run], corpus: Corpus, width: int, alpha: float | None = None) -> tuple[dict, list[str]]:
    """The scores on the test set of one run, or of several together, and the translations."""
    model, tokenizer, tuned = together(runs, CPU)
    alpha = tuned if alpha is None else alpha
    sources, references = zip(*corpus.test, strict=True)
    began, began_cpu = time.perf_counter(), time.process_time()
    written = translations(model, tokenizer, sources, width, alpha)
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - began_cpu}
    found = asdict(quality(written, references, corpus.target))
    return {**found, "sentences": len(sources), "beam": width, "alpha": alpha, **spent}, written


def provenance(run: Run) -> dict:
    """What the run says about itself, its command as one would type it, with no folder of somebody's machine."""
    about = run.about()
    start = "python" if about["processes"] == 1 else f"torchrun --nproc-per-node {about['processes']}"
    command = re.sub(r"^\S*__main__\.py", f"{start} -m translator", about["command"])
    command = re.sub(r"--data \S+", "--data DIR", command)
    return {**about, "command": re.sub(r"--out (?:\S*/)?(\S+)", r"--out runs/\1", command)}


def record(runs: Sequence[Run], data: Path | None) -> dict:
    """The first run; and how good it is together with the others, if there are any."""
    run = runs[0]
    config, corpus = run.config(), load(run.config().corpus, data)
    if any(corpus.fingerprint() != one.about()["fingerprint"] for one in runs):
        raise SystemExit(f"{config.corpus} has other sentences than those that the run was trained on.")
    scores = {"greedy": scored([run], corpus, 1, 1.0)[0], "beam 5, alpha 1": scored([run], corpus, 5, 1.0)[0]}
    scores["beam 5"], written = scored([run], corpus, 5)
    if len(runs) > 1:
        scores["together, beam 5"], _ = scored(runs, corpus, 5)
    model, tokenizer, alpha = together([run], CPU)
    if config.corpus in SENTENCES:
        asked = SENTENCES[config.corpus]
        outputs = translations(model, tokenizer, asked, 5, alpha)
        samples = [{"source": x, "output": y} for x, y in zip(asked, outputs, strict=True)]
    else:
        rows = [{"source": x, "output": y, "reference": r} for (x, r), y in zip(corpus.test, written, strict=True)]
        samples = rows[:SHOWN] + [row for row in rows[SHOWN:] if row["output"] != row["reference"]][:SHOWN]
    metrics = run.metrics()
    others = [
        {"about": provenance(one), "seed": one.config().seed,
         "cpu_or_gpu_seconds": one.metrics()[-1]["seconds"], "test": scored([one], corpus, 5)[0],
         "curve": [line for line in one.metrics() if "valid_bleu" in line]}
        for one in runs[1:]
    ]  # fmt: skip
    return {
        "config": asdict(config),
        "about": provenance(run),
        "recorded_with": revision(),
        "sentences": {"train": len(corpus.train), "valid": len(corpus.valid), "test": len(corpus.test)},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "best_step": run.kept("best")[1]["step"],
        "cpu_or_gpu_seconds": metrics[-1]["seconds"],
        "wall_seconds": metrics[-1]["wall_seconds"],
        "tuning": run.read("decoding.json") if run.tuned else None,
        "test": scores,
        "together_with": others,
        "samples": samples,
        "curve": metrics,
    }


def all_kept() -> dict[str, dict]:
    """What has been kept of runs, by file name; other benchmarks' results are left out."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    return {name: kept for name, kept in found.items() if "test" in kept}


def page() -> str:
    """A module with all that was kept, but of the curves only the looks at valid. Colab has it with the program."""
    runs = [{**kept, "curve": [at for at in kept["curve"] if "valid_bleu" in at]} for kept in all_kept().values()]
    lines = [
        '"""The recorded runs of chapter 10. Written by benchmarks/translator_record.py --page; never edited."""',
        "",
        "# ruff: noqa: E501",
        "import json",
        "",
        'RUNS = json.loads(r"""',
        json.dumps(runs, ensure_ascii=False, indent=1),
        '""")',
    ]
    return "\n".join(lines) + "\n"


def table() -> None:
    print(f"{'run':28} {'BLEU':>6} {'chrF':>6} {'exact':>6} {'minutes':>8}  on")
    for name, kept in all_kept().items():
        best, minutes = kept["test"]["beam 5"], kept["cpu_or_gpu_seconds"] / 60
        scores = f"{best['bleu']:6.2f} {best['chrf']:6.2f} {best['exact_match']:6.2f}"
        print(f"{name:28} {scores} {minutes:8.1f}  {kept['about']['device']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, nargs="+", help="folder of the run, and of those it translates with")
    parser.add_argument("--data", type=Path, help="folder with the corpus's files, in place of a download")
    parser.add_argument("--out", type=Path, help="file to write")
    parser.add_argument("--page", action="store_true", help="write translator/recorded.py")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(page(), encoding="utf-8")
        return None
    if (options.run is None) != (options.out is None):
        parser.error("--run and --out belong together")
    if options.run is None:
        return table()
    kept = record([Run(folder) for folder in options.run], options.data)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: score["bleu"] for name, score in kept["test"].items()}))


if __name__ == "__main__":
    main()
