"""The translator's command line: ``python -m translator train|evaluate|translate|complete``."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from translator.completion import complete
from translator.corpora import CORPORA, BadCorpus, load
from translator.download import DownloadFailed
from translator.evaluation import quality, together, translations
from translator.runs import BadRun, Config, Run, write
from translator.training import device_for, precision, processes, train

PRESETS = {  # three sizes, and what the synthetic corpus wants
    "tiny": {"d_model": 128, "h": 4, "layers": 2, "d_ff": 512, "dropout": 0.1},
    "small": {"d_model": 256, "h": 4, "layers": 3, "d_ff": 512, "dropout": 0.3},
    "base": {"d_model": 512, "h": 8, "layers": 6, "d_ff": 2048, "dropout": 0.3},
    "synthetic": {
        "d_model": 128,
        "h": 4,
        "layers": 2,
        "d_ff": 256,
        "dropout": 0.0,
        "vocabulary": 2000,
        "tokens": 6144,
        "lr": 7e-3,
        "warmup": 100,
        "muon": True,
        "weight_decay": 0.5,
        "smoothing": 0.05,
        "average": 0.99,
        "steps": 600,
        "evaluate_every": 300,
    },
}

AT_A_TIME = 64  # lines of a file that are translated at once


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -m translator", description="Train a small translator, and use it.")
    commands = main.add_subparsers(dest="command", required=True)

    training = commands.add_parser("train", help="train on a corpus, into a new folder")
    training.add_argument("--corpus", required=True, help=", ".join(CORPORA))
    training.add_argument("--data", type=Path, help="folder with the corpus's files, in place of a download")
    training.add_argument("--out", type=Path, required=True, help="folder of the run")
    training.add_argument(
        "--task", choices=["translate", "complete"], help="complete: learn to finish sentences of the target language"
    )
    training.add_argument(
        "--preset", choices=PRESETS, help="the model's size; without it small, or synthetic for the corpus of that name"
    )
    training.add_argument("--minutes", type=float, help="make the schedule about so long on this machine")
    training.add_argument("--resume", action="store_true", help="go on with the run in --out")
    training.add_argument(
        "--muon", action=argparse.BooleanOptionalAction, help="Muon for the matrices inside the layers, not AdamW"
    )
    training.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    training.add_argument(
        "--own",
        type=Path,
        nargs="+",
        metavar="NOTEBOOK",
        default=[],
        help="finished assignments: train with the parts of the model in them that pass their checks",
    )
    for name, kind, what in [
        ("steps", int, "length of the schedule"),
        ("tokens", int, "tokens of a batch, both sides and padding included"),
        ("vocabulary", int, "tokens of the vocabulary"),
        ("lr", float, "highest learning rate"),
        ("warmup", int, "steps until the highest learning rate"),
        ("dropout", float, "share of activations dropped"),
        ("word-dropout", float, "share of words that the model is not shown"),
        ("smoothing", float, "label smoothing"),
        ("evaluate-every", int, "steps between two looks at valid"),
        ("seed", int, "seed of weights, batches and dropout"),
    ]:
        training.add_argument(f"--{name}", type=kind, help=what)

    for command, what in [
        ("evaluate", "BLEU and chrF on the corpus's test set or on files; the last line is one JSON object"),
        ("translate", "translate lines of standard input"),
        ("complete", "finish a sentence: the most probable completions, with their probabilities"),
    ]:
        using = commands.add_parser(command, help=what)
        using.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
        if command == "complete":
            using.add_argument("--run", type=Path, required=True, help="folder of the run")
            using.add_argument("--prefix", required=True, help="how the sentence begins")
            using.add_argument("--count", type=int, default=5, help="how many completions")
            continue
        using.add_argument(
            "--run", type=Path, nargs="+", required=True, help="folder of the run; of several, to translate together"
        )
        using.add_argument("--beam", type=int, default=5, help="width of the beam; 1 is greedy")
        using.add_argument(
            "--alpha", type=float, help="length normalisation: log p / n^alpha; without it, the runs' best on valid"
        )
        if command == "evaluate":
            using.add_argument("--data", type=Path, help="as for train")
            using.add_argument("--source", type=Path, help="sentences to translate, one a line")
            using.add_argument("--reference", type=Path, help="their translations, one a line")
            using.add_argument("--output", type=Path, help="where to write the translations, one a line")
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    commands = {
        "train": train_command,
        "evaluate": evaluate_command,
        "translate": translate_command,
        "complete": complete_command,
    }
    try:
        commands[options.command](options)
    except (BadCorpus, BadRun, DownloadFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What was learned is kept; go on with --resume.", file=sys.stderr)
        return 130
    return 0


def train_command(options: argparse.Namespace) -> None:
    device = device_for(options.device)
    corpus = load(options.corpus, options.data, download_progress)
    given = {field.name: getattr(options, field.name, None) for field in fields(Config)}
    given = {name: value for name, value in given.items() if value is not None}
    preset = PRESETS[options.preset or ("synthetic" if options.corpus == "synthetic-zh-en" else "small")]
    if preset.get("muon") and precision(device) == torch.float16:  # only who asks for Muon is told that it is not there
        preset = {**preset, "muon": False, "lr": 5e-3}  # AdamW bears no more
    config = Config(**{**preset, **given})
    prepare = with_own_code(options.own) if options.own else None
    with processes(device):
        train(options.out, corpus, config, device, options.minutes, options.resume, show, prepare=prepare)
    print()


def with_own_code(notebooks: Sequence[Path]) -> Callable:
    """What makes a model compute with the code in these notebooks; prints which parts are the reader's."""
    from translator import own_code  # only here is the grader's code needed

    try:
        own = own_code.pieces(notebooks)
    except own_code.BadNotebook as error:
        raise BadRun(str(error)) from None
    if os.environ.get("RANK", "0") == "0":
        print(*own, sep="\n")
    return partial(own_code.plug_in, own=own)


def show(facts: dict) -> None:
    """One line that is written over, and a line that stays for each evaluation."""
    if "valid_loss" in facts:
        bleu = f", BLEU {facts['valid_bleu']:.2f}" if "valid_bleu" in facts else ""
        print(f"\rstep {facts['step']:6}: on valid loss {facts['valid_loss']:.3f}{bleu}".ljust(100), flush=True)
        return
    done = facts["step"] / facts["steps"]
    bar = ("█" * round(20 * done)).ljust(20, "·")
    line = (
        f"{bar} {facts['step']}/{facts['steps']}  loss {facts['loss']:.3f}  "
        f"{facts['tokens_per_second']:,.0f} tokens/s  "
        f"{minutes(facts['wall_seconds'])} gone, {minutes(facts['wall_seconds_left'])} to go"
    )
    print("\r" + line.ljust(100), end="", flush=True)


def minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def download_progress(done: int, total: int | None) -> None:
    print(f"\rdownloading: {done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f}" if total else ""), end="", flush=True)


def evaluate_command(options: argparse.Namespace) -> None:
    runs = [Run(folder) for folder in options.run]
    model, tokenizer, alpha = together(runs, device_for(options.device))
    alpha = alpha if options.alpha is None else options.alpha
    config = runs[0].config()
    if (options.source is None) != (options.reference is None):
        raise BadRun("Give both --source and --reference, or neither for the corpus's test set.")
    if options.source is None:
        corpus = load(config.corpus, options.data, download_progress)
        if any(corpus.fingerprint() != run.about()["fingerprint"] for run in runs):
            raise BadRun(
                f"The corpus {config.corpus} is not the one that the run was trained on: its sentences differ."
            )
        sources, references = zip(*corpus.test, strict=True)
    else:
        sources, references = (read_lines(path) for path in (options.source, options.reference))
        if len(sources) != len(references):
            raise BadRun(
                f"{options.source} has {len(sources)} lines and {options.reference} {len(references)}: give one "
                "reference for each sentence."
            )
        if not sources:
            raise BadRun(f"{options.source} is empty: there is nothing to translate.")
    began = time.perf_counter()
    texts = translations(model, tokenizer, sources, options.beam, alpha)
    seconds = time.perf_counter() - began
    if options.output is not None:
        write(options.output, "".join(f"{text}\n" for text in texts))
    scores = quality(texts, references, language=config.corpus.split("-")[-1])
    settings = {"beam": options.beam, "alpha": alpha, "seconds": round(seconds, 2)}
    print(json.dumps({**asdict(scores), "sentences": len(sources), **settings}))


def translate_command(options: argparse.Namespace) -> None:
    model, tokenizer, alpha = together([Run(folder) for folder in options.run], device_for(options.device))
    alpha = alpha if options.alpha is None else options.alpha
    lines = standard_input()
    while some := list(islice(lines, 1 if sys.stdin.isatty() else AT_A_TIME)):
        for text in translations(model, tokenizer, some, options.beam, alpha):
            print(text, flush=True)


def complete_command(options: argparse.Namespace) -> None:
    run = Run(options.run)
    run.demand("complete")
    model, tokenizer = run.model().to(device_for(options.device)), run.tokenizer()
    try:
        found = complete(model, tokenizer, options.prefix, options.count)
    except ValueError as error:
        raise BadRun(str(error)) from None
    for sentence, p in found:
        print(f"{p:.4f}\t{sentence}")


def standard_input() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise BadRun(f"Line {number} of the input is not UTF-8.") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text; only a line feed ends one, since sentences may hold other separators of Unicode."""
    try:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        return text.removesuffix("\n").split("\n") if text else []
    except (OSError, UnicodeDecodeError) as error:
        raise BadRun(f"{path} can't be read as UTF-8 text: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
