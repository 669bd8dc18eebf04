"""A run's folder: what was asked for, the tokenizer, what happened, and two checkpoints. Nothing in it is a pickle.

    config.json       the settings (`Config`), the corpus's fingerprint, the versions
    tokenizer.json    `Tokenizer.as_json`
    metrics.jsonl     one JSON object a line
    curve.svg         loss and BLEU against time, drawn when training stops
    decoding.json     the length normalisation that was best on valid, tried when training is over
    last.safetensors  everything that training needs to go on: model, averaged weights, optimizer
    best.safetensors  the averaged weights with the best BLEU on valid so far

Every file is written under another name and then moved into place, so that a kill at any moment leaves the old or the
new one, whole.
"""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from autograder.reference.transformer import Transformer
from translator.bpe import Tokenizer


class BadRun(Exception):
    """A run's folder that can't be used. The message says why, and what to do."""


@dataclass(frozen=True)
class Config:
    """What a run is: its data, its model, how it is trained. Two runs with equal configs train the same model.

    ``task`` is "translate", or "complete" for sentences of the target language alone. Widths as in the paper;
    ``vocabulary`` and ``tokens`` (a batch, padding and both sides included, all processes together) count tokens;
    ``word_dropout`` is the share of words, of both sides, in whose place the model is shown <unk>; ``lr`` is the
    highest learning rate, reached after ``warmup`` steps; ``muon`` has `Muon` take the steps of the matrices inside the
    layers, and AdamW the others; ``average`` is how much of the averaged weights each step
    keeps; ``steps`` is the length of the schedule.
    """

    corpus: str
    task: str = "translate"
    d_model: int = 256
    h: int = 4
    layers: int = 3
    d_ff: int = 512
    dropout: float = 0.3
    word_dropout: float = 0.0
    vocabulary: int = 8000
    tokens: int = 4096
    lr: float = 2e-3
    warmup: int = 400
    weight_decay: float = 0.01
    muon: bool = False
    smoothing: float = 0.1
    average: float = 0.998
    clip: float = 1.0
    steps: int = 3000
    evaluate_every: int = 500
    patience: int = 10
    seed: int = 0

    def model(self, tokens: int) -> Transformer:
        """The untrained model for a vocabulary of ``tokens``, of this run's seed."""
        torch.manual_seed(self.seed)
        return Transformer(
            tokens, tokens, self.d_model, self.h, self.layers, self.d_ff, self.dropout, pre_norm=True, shared=True
        )


def revision() -> str:
    """The commit that this code is of, with "-dirty" if it was edited since; "unknown" outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor() -> str:
    """The CPU's name, as far as the system tells, and how many of it this process may use."""
    named = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        named = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    return f"{named or platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def write(path: Path, content: str | bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


class Run:
    """The folder of one run."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    @property
    def exists(self) -> bool:
        return (self.folder / "config.json").is_file()

    def begin(self, config: Config, tokenizer: Tokenizer, about: Mapping) -> None:
        """Make the folder. ``about`` is kept beside the settings: the corpus's fingerprint, versions, hardware."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write(self.folder / "tokenizer.json", json.dumps(tokenizer.as_json(), ensure_ascii=False))
        write(self.folder / "config.json", json.dumps({**asdict(config), "about": dict(about)}, indent=2))

    def config(self) -> Config:
        kept = self.read("config.json")
        kept = {"word_dropout": 0.0, "muon": False, **kept}  # older runs don't have them
        names = {field.name for field in fields(Config)}
        if missing := names - kept.keys():
            raise BadRun(f"{self.folder / 'config.json'} lacks {', '.join(sorted(missing))}: it is of another version.")
        return Config(**{name: kept[name] for name in names})

    def about(self) -> dict:
        return self.read("config.json").get("about", {})

    def tokenizer(self) -> Tokenizer:
        try:
            return Tokenizer.from_json(self.read("tokenizer.json"))
        except ValueError as error:
            raise BadRun(f"{self.folder / 'tokenizer.json'}: {error}") from None

    def read(self, name: str) -> dict:
        path = self.folder / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BadRun(f"There is no run in {self.folder}: {name} is missing. Train one first.") from None
        except ValueError:
            raise BadRun(f"{path} is damaged: it is not JSON. Restore it, or train again.") from None

    # ---- checkpoints ----

    def keep(self, name: str, tensors: Mapping[str, torch.Tensor], facts: Mapping) -> None:
        """Write ``name``.safetensors: tensors, and facts that JSON can hold."""
        apart = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
        write(self.folder / f"{name}.safetensors", save(apart, {"facts": json.dumps(dict(facts))}))

    def kept(self, name: str) -> tuple[dict[str, torch.Tensor], dict]:
        """What `keep` wrote. Raises BadRun where it isn't there or is damaged."""
        path = self.folder / f"{name}.safetensors"
        if not path.is_file():
            raise BadRun(f"There is no {path.name} in {self.folder}: the run has not come so far yet.")
        try:
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["facts"])  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise BadRun(f"{path} is damaged ({error}). Delete it; training goes on from what is left.") from None

    def model(self, name: str = "best") -> Transformer:
        """The model with the weights of a checkpoint, ready to translate."""
        model = self.config().model(len(self.tokenizer()))
        weights, _ = self.kept(name)
        try:
            model.load_state_dict({key: weights[key] for key in model.state_dict()})
        except (KeyError, RuntimeError):
            raise BadRun(
                f"{self.folder / name}.safetensors does not fit config.json: the folder mixes two runs."
            ) from None
        return model.eval()

    # ---- decoding ----

    def alpha(self) -> float:
        """The length normalisation that was best on valid; 1 as long as none was tried."""
        return self.read("decoding.json")["alpha"] if self.tuned else 1.0

    @property
    def tuned(self) -> bool:
        return (self.folder / "decoding.json").is_file()

    def demand(self, task: str) -> None:
        """BadRun where the model was trained for something else."""
        trained = self.config().task
        if trained != task:
            said = {"translate": "translates", "complete": "completes sentences"}
            advice = "evaluate and translate" if trained == "translate" else "complete"
            raise BadRun(
                f"The model in {self.folder} {said[trained]}, so that only {advice} can use it. Train another one with "
                f"--task {task}."
            )

    # ---- metrics ----

    def note(self, **values: object) -> None:
        """Add a line to metrics.jsonl."""
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def metrics(self) -> list[dict]:
        """The lines of metrics.jsonl; one that a kill cut short is left out."""
        path = self.folder / "metrics.jsonl"
        found = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def forget_after(self, step: int) -> None:
        """Drop what was noted after the step from which training goes on."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        write(self.folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept))
