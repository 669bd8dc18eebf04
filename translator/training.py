"""Training: batches by token count, mixed precision, warm-up and decay, averaged weights, one process or several.

Step n is the same whenever it is run: its batch depends on the seed and n, and so do its dropout masks. So a run that
was killed goes on from its last checkpoint as if nothing had happened, bit for bit on the same machine.

Under ``torchrun`` each process takes every world-th sentence of a batch, and gradients are averaged so that the sum is
that of the whole batch (`torch.nn.parallel.DistributedDataParallel`). Process 0 does the writing.
"""

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from autograder.reference.seq2seq import shift_right
from autograder.reference.transformer import Transformer
from translator import curve
from translator.batching import Batch, Ids, collate, epochs, plan
from translator.bpe import Tokenizer
from translator.completion import CUTS, cut
from translator.corpora import Corpus, spread
from translator.decoding import translate
from translator.evaluation import quality, tune
from translator.muon import Muon
from translator.runs import BadRun, Config, Run, processor, revision, write
from translator.speed import InBfloat16, SmoothedCrossEntropy, give_memory_back, with_parts_for_cpus
from translator.vocabulary import UNK

VALID_SENTENCES = 500  # for the curve and for early stopping; the length normalisation is chosen on all


def learning_rate(step: int, config: Config) -> float:
    """The share of ``config.lr`` at a step (from 0): up in a line over the warm-up, then down in a line to 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    return max(0.0, (config.steps - step) / max(1, config.steps - config.warmup))


def smoothed_loss(logits: torch.Tensor, y: torch.Tensor, smoothing: float) -> torch.Tensor:
    """The sum over real target tokens of cross-entropy with label smoothing. logits: [batch, t, V], y: [batch, t].

    The logits are gone afterwards: their gradient takes their place.
    """
    return SmoothedCrossEntropy.apply(logits.flatten(0, 1), y.flatten(), smoothing)


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it, float16 on older GPUs (with loss scaling), else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    if device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512":
        flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        return torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else torch.float32
    return torch.float32


def optimizers(model: nn.Module, config: Config, dtype: torch.dtype) -> dict[str, torch.optim.Optimizer]:
    """AdamW for all parameters; or, if the run wants Muon, that for the matrices inside the layers. Named as in
    checkpoints. BadRun for Muon in float16: each optimizer would leave out its own steps that overflow."""
    if config.muon and dtype == torch.float16:
        raise BadRun("This GPU computes in float16, and Muon needs bfloat16 or float32: train with --no-muon.")
    named = list(model.named_parameters())
    inner = [p for name, p in named if config.muon and p.ndim == 2 and not name.startswith("embed")]
    others = [p for _, p in named if all(p is not one for one in inner)]
    adamw = torch.optim.AdamW(others, lr=config.lr, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True)
    muon = {"muon": Muon(inner, config.lr, config.weight_decay, dtype)} if inner else {}
    return {"optimizer": adamw, **muon}


def clock(device: torch.device) -> float:
    """Seconds, as ``--minutes`` counts them: of the wall clock on a GPU, of work on a CPU.

    Seconds of work are the CPU time of this process, shared among its threads: what a wall clock would show if the
    machine had nothing else to do. On a busy machine a schedule takes longer, but it is as long as on an idle one.
    """
    return time.perf_counter() if device.type == "cuda" else time.process_time() / torch.get_num_threads()


@contextlib.contextmanager
def interrupts_held() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for a moment at which all is consistent: yields a function that says whether it was pressed.

    Pressed a second time, it does not wait.
    """
    pressed = []

    def note(*_: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(True)

    if threading.current_thread() is not threading.main_thread():  # only there may signals be handled
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def device_for(name: str = "auto") -> torch.device:
    """ "auto": a GPU if there is one, else the CPU. Under torchrun, this process's own GPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadRun("There is no GPU that PyTorch can use here: take --device cpu, or --device auto.")
    return torch.device(name, int(os.environ.get("LOCAL_RANK", 0))) if name == "cuda" else torch.device(name)


class Trainer:
    """One run in progress: the model, its averaged weights, the optimizer, and how far they have come.

    ``pairs`` are (source ids, target ids); ``valid`` has the target's text, too. ``rank`` and ``world`` are this
    process's number and how many there are. ``prepare`` may change how the model that learns computes, not its
    parameters (`translator.own_code`).
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        tokenizer: Tokenizer,
        language: str,
        pairs: Sequence[tuple[Ids, Ids]],
        valid: Sequence[tuple[Ids, Ids, str]],
        device: torch.device,
        rank: int = 0,
        world: int = 1,
        prepare: Callable[[Transformer], Transformer] | None = None,
    ):
        self.run, self.config, self.tokenizer, self.language = run, config, tokenizer, language
        self.pairs, self.valid = pairs, valid
        self.device, self.rank, self.world = device, rank, world
        self.dtype = precision(device)
        model = config.model(len(tokenizer)).to(device)
        self.model = prepare(model) if prepare else model
        if device.type == "cpu":
            with_parts_for_cpus(self.model)
        self.parallel: nn.Module = self.model
        self.autocast = self.dtype != torch.float32
        if self.autocast and device.type == "cpu" and not prepare:  # code of others may count on autocast
            self.parallel, self.autocast = InBfloat16(self.model), False
        self.averaged = config.model(len(tokenizer)).to(device).requires_grad_(False)
        self.optimizers = optimizers(self.model, config, self.dtype)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        if world > 1:
            self.parallel = DistributedDataParallel(self.parallel)
        self.step, self.seconds, self.wall_seconds = 0, 0.0, 0.0
        self.best, self.best_step = -math.inf, 0
        self.losses, self.targets = torch.zeros((), device=device), 0  # since the last line of metrics

    # ---- one step ----

    def learn(self, indices: Sequence[int]) -> tuple[torch.Tensor, int]:
        """Step on one batch, given as indices of pairs. Returns the summed loss of this process's share, and the
        number of target tokens of the whole batch."""
        config = self.config
        share = list(indices[self.rank :: self.world])
        target_tokens = sum(len(self.pairs[i][1]) + 1 for i in indices)
        x, lengths, y = self.batch(share or [indices[0]])
        torch.manual_seed(hash((config.seed, self.step, self.rank)))  # the dropout masks of this step
        self.model.train()
        with torch.autocast(self.device.type, self.dtype, enabled=self.autocast):
            logits = self.parallel(self.forget(x), lengths, self.forget(shift_right(y)))
        loss = smoothed_loss(logits, y, config.smoothing) * bool(share)
        self.scaler.scale(loss * self.world / target_tokens).backward()  # the processes' gradients are averaged
        for optimizer in self.optimizers.values():
            self.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = config.lr * learning_rate(self.step, config)
            self.scaler.step(optimizer)
        self.scaler.update()
        self.model.zero_grad()
        self.step += 1
        keep = min(config.average, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)
        return loss.detach(), target_tokens

    def forget(self, tokens: torch.Tensor) -> torch.Tensor:
        """Some of the words unknown, so that the model can't lean on any one of them; <bos>, <eos> and <pad> stay."""
        if not self.config.word_dropout:
            return tokens
        forgotten = torch.rand(tokens.shape, device=tokens.device) < self.config.word_dropout
        return tokens.masked_fill(forgotten & (tokens > UNK), UNK)

    def batch(self, indices: Sequence[int]) -> Batch:
        return tuple(tensor.to(self.device, non_blocking=True) for tensor in collate(self.pairs, indices))

    # ---- the whole schedule ----

    def fit(self, progress: Callable[[dict], None] = lambda facts: None, save_seconds: float = 60) -> None:
        """Train to the end of the schedule, or until BLEU on valid has not risen ``patience`` times.

        ``progress`` is told now and then: step, steps, loss, tokens_per_second, minutes gone and to go; and BLEU.
        Seconds are those of `clock`, wall_seconds those of the wall clock; tokens are real ones, of both sides.
        """
        began, began_wall = clock(self.device) - self.seconds, time.perf_counter() - self.wall_seconds
        saved, read, since = time.perf_counter(), 0, clock(self.device)
        with interrupts_held() as interrupted:
            for indices in epochs(self.pairs, self.config.tokens, self.config.seed, start=self.step):
                if interrupted():
                    self.seconds, self.wall_seconds = clock(self.device) - began, time.perf_counter() - began_wall
                    if self.rank == 0:
                        self.save()
                    raise KeyboardInterrupt
                if self.step >= self.config.steps or self.out_of_patience():
                    break
                loss, target_tokens = self.learn(indices)
                self.losses, self.targets = self.losses + loss, self.targets + target_tokens
                read += target_tokens + sum(len(self.pairs[i][0]) for i in indices)
                last = self.step == self.config.steps
                if self.step % 50 == 0 or last:
                    mean = self.total(self.losses) / self.targets
                    if not math.isfinite(mean):
                        raise BadRun(f"The loss is {mean} at step {self.step}: lower --lr, and train again.")
                    now = clock(self.device)
                    self.seconds, self.wall_seconds = now - began, time.perf_counter() - began_wall
                    facts = {
                        "step": self.step,
                        "loss": mean,
                        "tokens_per_second": read / (now - since),
                        "lr": self.optimizers["optimizer"].param_groups[0]["lr"],
                        "seconds": self.seconds,
                        "wall_seconds": self.wall_seconds,
                    }
                    self.note(facts)
                    left = (self.config.steps - self.step) * self.wall_seconds / self.step
                    if self.rank == 0:
                        progress({**facts, "steps": self.config.steps, "wall_seconds_left": left})
                    self.losses, self.targets = torch.zeros_like(self.losses), 0
                    read, since = 0, now
                    give_memory_back()
                if self.step % self.config.evaluate_every == 0 or last:
                    self.evaluate(progress)
                    since = clock(self.device)
                if self.rank == 0 and (last or time.perf_counter() - saved > save_seconds):
                    self.seconds, self.wall_seconds = clock(self.device) - began, time.perf_counter() - began_wall
                    self.save()
                    saved = time.perf_counter()

    def out_of_patience(self) -> bool:
        return self.step - self.best_step >= self.config.patience * self.config.evaluate_every

    def evaluate(self, progress: Callable[[dict], None]) -> None:
        """How good are the averaged weights on valid? The best so far are kept. All processes learn of it.

        Noted are the loss a token, and of translations BLEU, greedily: it decides which weights are best. Ends of
        sentences can't be right or wrong, so completions are judged by the loss.
        """
        score = torch.zeros((), dtype=torch.float64, device=self.device)
        if self.rank == 0:
            chosen = spread(self.valid, VALID_SENTENCES)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                facts = {"step": self.step, "valid_loss": self.valid_loss(chosen)}
                if self.config.task == "translate":
                    found = translate(self.averaged, [source for source, _, _ in chosen], width=1)
                    texts = [self.tokenizer.decode(hypothesis.ids) for hypothesis in found]
                    facts["valid_bleu"] = quality(texts, [text for _, _, text in chosen], self.language).bleu
            score += facts.get("valid_bleu", -facts["valid_loss"])
            self.note({**facts, "seconds": self.seconds, "wall_seconds": self.wall_seconds})
            progress(facts)
        if self.world > 1:
            dist.broadcast(score, 0)
        if score.item() > self.best:
            self.best, self.best_step = score.item(), self.step
            if self.rank == 0:
                self.run.keep("best", self.averaged.state_dict(), facts)

    @torch.inference_mode()
    def valid_loss(self, chosen: Sequence[tuple[Ids, Ids, str]]) -> float:
        """Cross-entropy a target token, in nats, without smoothing, of the averaged weights."""
        pairs = [(source, target) for source, target, _ in chosen]
        self.averaged.eval()
        total = 0.0
        for indices in plan(pairs, self.config.tokens, seed=0):
            x, lengths, y = (tensor.to(self.device) for tensor in collate(pairs, indices))
            total += smoothed_loss(self.averaged(x, lengths, shift_right(y)), y, 0.0).item()
        return total / sum(len(target) + 1 for _, target in pairs)

    def total(self, losses: torch.Tensor) -> float:
        if self.world > 1:
            dist.all_reduce(losses)
        return losses.item()

    def note(self, facts: dict) -> None:
        if self.rank == 0:
            self.run.note(**facts)

    # ---- stopping and going on ----

    def save(self) -> None:
        """Keep all that `resume` needs."""
        tensors = {f"model/{key}": tensor for key, tensor in self.model.state_dict().items()}
        tensors |= {f"averaged/{key}": tensor for key, tensor in self.averaged.state_dict().items()}
        for kind, optimizer in self.optimizers.items():
            for number, state in optimizer.state_dict()["state"].items():
                tensors |= {f"{kind}/{number}/{key}": tensor for key, tensor in state.items()}
        facts = {
            "step": self.step,
            "seconds": self.seconds,
            "wall_seconds": self.wall_seconds,
            "best": self.best,
            "best_step": self.best_step,
            "losses": self.losses.item() * self.world,  # with several processes an estimate
            "targets": self.targets,
            "scaler": self.scaler.state_dict(),
        }
        self.run.keep("last", tensors, facts)

    def resume(self) -> None:
        """Go back to what `save` kept last."""
        tensors, facts = self.run.kept("last")
        parts: dict[str, dict] = defaultdict(dict)
        for name, tensor in tensors.items():
            part, key = name.split("/", 1)
            parts[part][key] = tensor
        try:
            self.model.load_state_dict(parts["model"])
            self.averaged.load_state_dict(parts["averaged"])
            for kind, optimizer in self.optimizers.items():
                state: dict[int, dict] = defaultdict(dict)
                for name, tensor in parts[kind].items():
                    number, key = name.split("/")
                    state[int(number)][key] = tensor
                optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
            self.scaler.load_state_dict(facts["scaler"])
            self.step, self.seconds, self.wall_seconds = facts["step"], facts["seconds"], facts["wall_seconds"]
            self.best, self.best_step = facts["best"], facts["best_step"]
            self.losses += facts["losses"] * (self.rank == 0)
            self.targets = facts["targets"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise BadRun(f"The checkpoint in {self.run.folder} does not fit the run: {error}") from None
        if self.rank == 0:
            self.run.forget_after(self.step)


def train(
    folder: Path,
    corpus: Corpus,
    config: Config,
    device: torch.device,
    minutes: float | None = None,
    resume: bool = False,
    progress: Callable[[dict], None] = lambda facts: None,
    save_seconds: float = 60,
    prepare: Callable[[Transformer], Transformer] | None = None,
) -> Run:
    """Train a translator on a corpus in a new folder, or go on with the run that is there (``resume``).

    With ``minutes`` the schedule is made so long that training takes about that time on this machine; a resumed run
    keeps the schedule that it began with. ``prepare`` is that of `Trainer`. Raises BadRun where the folder holds a run
    and ``resume`` is False, or one of other data or settings.
    """
    run = Run(folder)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    going_on = run.exists and resume
    if run.exists and not resume:
        raise BadRun(f"There is a run in {folder} already: go on with --resume, or choose another --out.")
    if going_on:
        kept, asked = run.config(), config
        config = replace(asked, steps=kept.steps)
        if config != kept:
            other = [name for name, value in vars(kept).items() if value != getattr(config, name)]
            raise BadRun(f"The run in {folder} was begun with another {', '.join(other)}: choose another --out.")
        if run.about()["fingerprint"] != corpus.fingerprint():
            raise BadRun(f"The run in {folder} was begun with other sentences of {corpus.name}: choose another --out.")
        tokenizer = run.tokenizer()
    else:
        texts = (pair[1:] if config.task == "complete" else pair for pair in corpus.train)  # only its own language
        tokenizer = Tokenizer.train([side for sides in texts for side in sides], config.vocabulary)
    if config.task == "complete":
        pairs = cut([y for _, y in corpus.train], tokenizer, CUTS, config.seed)
        valid = [(x, y, tokenizer.decode(y)) for x, y in cut([y for _, y in corpus.valid], tokenizer, 1, seed=0)]
    else:
        pairs = [(tokenizer.encode(x), tokenizer.encode(y)) for x, y in corpus.train]
        valid = [(tokenizer.encode(x), tokenizer.encode(y), y) for x, y in corpus.valid]

    def trainer(config: Config) -> Trainer:
        return Trainer(run, config, tokenizer, corpus.target, pairs, valid, device, rank, world, prepare)

    if not going_on:
        if minutes is not None:
            config = replace(config, steps=steps_in(minutes, trainer(config)))
        if rank == 0:
            about = {
                "fingerprint": corpus.fingerprint(),
                "command": " ".join(sys.argv),
                "revision": revision(),
                "torch": torch.__version__,
                "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
                "precision": str(precision(device)).removeprefix("torch."),
                "processes": world,
                "threads": torch.get_num_threads(),
            }
            run.begin(config, tokenizer, about)
    going = trainer(config)
    if going_on and (run.folder / "last.safetensors").is_file():
        going.resume()
    try:
        going.fit(progress, save_seconds)
    except KeyboardInterrupt:
        if rank == 0:
            curve.keep(run)
        raise
    if rank == 0:
        curve.keep(run)
        if config.task == "translate" and not run.tuned:
            began = clock(device)
            scores = tune(run.model().to(device), tokenizer, corpus.valid, corpus.target)
            facts = {"alpha": max(scores, key=scores.get), "valid_bleu": scores, "seconds": clock(device) - began}
            write(run.folder / "decoding.json", json.dumps(facts, indent=2))
    return run


def steps_in(minutes: float, throwaway: Trainer, timed: int = 20) -> int:
    """How many steps fit into so many minutes, a tenth left for evaluation; by timing a trainer that is thrown away."""
    stream = epochs(throwaway.pairs, throwaway.config.tokens, throwaway.config.seed)
    for indices in islice(stream, timed // 4):
        throwaway.learn(indices)
    began = clock(throwaway.device)
    for indices in islice(stream, timed):
        throwaway.learn(indices)
    if throwaway.device.type == "cuda":
        torch.cuda.synchronize()
    steps = torch.tensor(0.9 * 60 * minutes / ((clock(throwaway.device) - began) / timed), device=throwaway.device)
    if throwaway.world > 1:
        dist.broadcast(steps, 0)
    return max(10, round(steps.item()))


@contextlib.contextmanager
def processes(device: torch.device):
    """Join the other processes that torchrun has started, if it has. They end together, when the first has written all.

    One that ended early could take the others with it: the threads of its process group may still be letting go of
    tensors, and where Python is gone by then, they abort the process, at which torchrun ends the rest.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
        dist.barrier(device_ids=[device.index] if device.type == "cuda" else None)
    finally:
        dist.destroy_process_group()
