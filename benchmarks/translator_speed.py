"""How fast does the translator train and decode, beside three recipes that people learn from?

    python benchmarks/translator_speed.py --data DIR                      # DIR as for `python -m translator train`
    python benchmarks/translator_speed.py --data DIR --decode runs/m      # sentences per second of a trained run
    python benchmarks/translator_speed.py --data DIR --device cuda --rounds 5 --batches 20        # on a GPU

Training. All recipes are written anew here, with the batches, the masks, the loss, the optimizer and the precision of
their authors; only the model's size is made equal: 3 + 3 layers, d_model 256, 8 heads, d_ff 512. They read the same
ids (Multi30k, German to English, this project's tokenizer), so a token is the same thing for all.

- tutorial: the PyTorch tutorial "Language Translation with nn.Transformer and torchtext": `nn.Transformer` in post-norm
  with sequences first, 128 sentences a batch in the order of the file, masks as floats, Adam (lr 0.0001).
- annotated: "The Annotated Transformer": attention and LayerNorm by hand, pre-norm, 32 sentences a batch, each padded
  to 72 tokens, a dense matrix of smoothed targets, Adam stepping after every 10th batch.
- seq2seq: chapter 6 of bentrevett/pytorch-seq2seq: post-norm, learned positions, dropout on the attention weights, 128
  sentences a batch sorted by length within pools of 100 batches, clipping at 1, Adam (lr 0.0005).
- ours: `translator.training` as it is, so with tied embeddings, bucketed batches of 4,096 tokens, label smoothing,
  averaged weights, and bfloat16 where the processor has it.

What is counted: real tokens, source and target, with the <eos> that is predicted, without padding, <bos>, or what else
a recipe adds. A round gives each recipe its turn; the medians of the rounds are compared, in seconds of CPU (on a GPU,
of the wall clock), so that other work on the machine hits all alike; it slows memory more than arithmetic, so a quiet
machine is better. Padding efficiency is the share of real tokens
among all entries that the two sides' matrices hold. The last line is one JSON object with every round.

On a GPU, BLEU against minutes is what `python -m translator train --corpus multi30k-de-en --preset small --minutes 5`
(and `--preset base --minutes 20`) with `evaluate` records; this needs a machine that has one.
"""

import argparse
import json
import math
import random
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from autograder.reference.positional_encoding import sinusoidal_encoding
from translator.batching import epochs
from translator.bpe import Tokenizer
from translator.corpora import load, spread
from translator.decoding import translate
from translator.runs import Config, Run, processor, revision
from translator.training import Trainer, device_for
from translator.vocabulary import BOS, EOS, PAD, pad

D, H, LAYERS, D_FF, DROPOUT = 256, 8, 3, 512, 0.1

Pairs = list[tuple[list[int], list[int]]]
Work = tuple[int, int]  # real tokens, entries of the matrices


class Recipe:
    """One way to train. `step` learns from one batch and says how many tokens that were."""

    def __init__(self, pairs: Pairs, V: int, device: torch.device):
        self.pairs, self.device = pairs, device
        self.batches = self.plan()
        torch.manual_seed(0)
        self.build(V)

    def plan(self) -> Iterator[list[int]]: ...

    def build(self, V: int) -> None: ...

    def learn(self, indices: list[int]) -> int:
        """A step; returns the entries of the two matrices."""
        ...

    def step(self) -> Work:
        indices = next(self.batches)
        entries = self.learn(indices)
        return sum(len(self.pairs[i][0]) + len(self.pairs[i][1]) + 1 for i in indices), entries

    def framed(self, indices: list[int], side: int, length: int | None = None) -> torch.Tensor:
        """<bos> sentence <eos>, padded to the longest or to a fixed length: [batch, n]."""
        rows = [[BOS, *self.pairs[i][side], EOS] for i in indices]
        ids, _ = pad(rows if length is None else [row[:length] for row in rows])
        return F.pad(ids, (0, (length or ids.shape[1]) - ids.shape[1]), value=PAD).to(self.device)


def in_order(n: int, size: int, dice: random.Random | None) -> Iterator[list[int]]:
    """Batches of so many sentences: in the file's order, or shuffled anew in each epoch."""
    while True:
        order = list(range(n))
        if dice is not None:
            dice.shuffle(order)
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]


# ---- the PyTorch tutorial -------------------------------------------------------------------------------------------


class Tutorial(Recipe):
    def plan(self):
        return in_order(len(self.pairs), 128, None)

    def build(self, V):
        self.source, self.target = (nn.Embedding(V, D, device=self.device) for _ in range(2))
        self.transformer = nn.Transformer(D, H, LAYERS, LAYERS, D_FF, DROPOUT, device=self.device)
        self.generator = nn.Linear(D, V, device=self.device)
        self.PE = sinusoidal_encoding(5000, D).to(self.device)[:, None]  # [5000, 1, D]
        self.dropout = nn.Dropout(DROPOUT)
        parts = [self.source, self.target, self.transformer, self.generator]
        self.parameters = [parameter for part in parts for parameter in part.parameters()]
        for parameter in self.parameters:
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.optimizer = torch.optim.Adam(self.parameters, lr=0.0001, betas=(0.9, 0.98), eps=1e-9)
        self.loss = nn.CrossEntropyLoss(ignore_index=PAD)

    def embed(self, table, tokens):
        return self.dropout(table(tokens) * math.sqrt(D) + self.PE[: len(tokens)])

    def learn(self, indices):
        x, y = self.framed(indices, 0).T, self.framed(indices, 1).T  # [m, batch], [t, batch]
        before = y[:-1]
        future = torch.full((len(before), len(before)), -torch.inf, device=self.device).triu(1)
        anywhere = torch.zeros(len(x), len(x), dtype=torch.bool, device=self.device)
        blocked_x, blocked_y = (x == PAD).T, torch.zeros(before.T.shape, device=self.device)
        blocked_y = blocked_y.masked_fill((before == PAD).T, -torch.inf)  # of the kind of `future`
        states = self.transformer(
            self.embed(self.source, x), self.embed(self.target, before), anywhere, future, None,
            blocked_x, blocked_y, blocked_x,
        )  # fmt: skip
        logits = self.generator(states)
        self.optimizer.zero_grad()
        loss = self.loss(logits.reshape(-1, logits.shape[-1]), y[1:].reshape(-1))
        loss.backward()
        self.optimizer.step()
        loss.item()
        return x.numel() + before.numel()


# ---- attention by hand, for the two others --------------------------------------------------------------------------


class Attention(nn.Module):
    """Multi-head attention of explicit steps, dropout on the weights."""

    def __init__(self, fill):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(D, D) for _ in range(4))
        self.dropout, self.fill = nn.Dropout(DROPOUT), fill

    def forward(self, X_q, X, mask):
        batch = len(X)

        def heads(layer, Z):
            return layer(Z).view(batch, -1, H, D // H).transpose(1, 2)

        Q, K, V = heads(self.query, X_q), heads(self.key, X), heads(self.value, X)
        scores = torch.matmul(Q, K.transpose(-2, -1)) / math.sqrt(D // H)
        alpha = scores.masked_fill(mask == 0, self.fill).softmax(-1)
        C = torch.matmul(self.dropout(alpha), V)
        return self.output(C.transpose(1, 2).contiguous().view(batch, -1, D))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer, self.dropout = nn.Linear(D, D_FF), nn.Linear(D_FF, D), nn.Dropout(DROPOUT)

    def forward(self, X):
        return self.outer(self.dropout(torch.relu(self.inner(X))))


# ---- The Annotated Transformer --------------------------------------------------------------------------------------


class NormByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(D)), nn.Parameter(torch.zeros(D))

    def forward(self, X):
        mean, deviation = X.mean(-1, keepdim=True), X.std(-1, keepdim=True)
        return self.gain * (X - mean) / (deviation + 1e-6) + self.bias


class PreNormLayer(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.attentions = nn.ModuleList(Attention(fill=-1e9) for _ in range(1 + decoder))
        self.feed_forward = FeedForward()
        self.norms = nn.ModuleList(NormByHand() for _ in range(2 + decoder))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, X, mask, memory=None, memory_mask=None):
        N = self.norms[0](X)
        X = X + self.dropout(self.attentions[0](N, N, mask))
        if memory is not None:
            X = X + self.dropout(self.attentions[1](self.norms[1](X), memory, memory_mask))
        return X + self.dropout(self.feed_forward(self.norms[-1](X)))


class Annotated(Recipe):
    LENGTH, ACCUMULATE = 72, 10

    def plan(self):
        return in_order(len(self.pairs), 32, random.Random(0))

    def build(self, V):
        self.V, self.count = V, 0
        parts = {
            "source": nn.Embedding(V, D),
            "target": nn.Embedding(V, D),
            "encoder": nn.ModuleList(PreNormLayer(False) for _ in range(LAYERS)),
            "decoder": nn.ModuleList(PreNormLayer(True) for _ in range(LAYERS)),
            "norms": nn.ModuleList(NormByHand() for _ in range(2)),
            "generator": nn.Linear(D, V),
        }
        self.model = nn.ModuleDict(parts).to(self.device).train()
        for parameter in self.model.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.PE = sinusoidal_encoding(5000, D).to(self.device)
        self.dropout = nn.Dropout(DROPOUT)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: D**-0.5 * min(max(step, 1) ** -0.5, max(step, 1) * 3000**-1.5)
        )
        self.divergence = nn.KLDivLoss(reduction="sum")

    def embed(self, table, tokens):
        return self.dropout(table(tokens) * math.sqrt(D) + self.PE[: tokens.shape[1]])

    def smoothed(self, log_p, y):
        target = torch.full_like(log_p, 0.1 / (self.V - 2))
        target.scatter_(1, y[:, None], 0.9)
        target[:, PAD] = 0
        target.index_fill_(0, (y == PAD).nonzero().squeeze(-1), 0.0)
        return self.divergence(log_p, target)

    def learn(self, indices):
        x, y = (self.framed(indices, side, self.LENGTH) for side in (0, 1))
        before, after = y[:, :-1], y[:, 1:]
        mask = (x != PAD)[:, None, None]
        t = before.shape[1]
        future = torch.ones(1, 1, t, t, dtype=torch.bool, device=self.device).tril()
        model = self.model
        X = self.embed(model["source"], x)
        for layer in model["encoder"]:
            X = layer(X, mask)
        X, Y = model["norms"][0](X), self.embed(model["target"], before)
        for layer in model["decoder"]:
            Y = layer(Y, (before != PAD)[:, None, None] & future, X, mask)
        log_p = model["generator"](model["norms"][1](Y)).log_softmax(-1)
        loss = self.smoothed(log_p.reshape(-1, self.V), after.reshape(-1)) / (after != PAD).sum()
        loss.backward()
        self.count += 1
        if self.count % self.ACCUMULATE == 0:
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        return x.numel() + before.numel()


# ---- pytorch-seq2seq ------------------------------------------------------------------------------------------------


class PostNormLayer(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.attentions = nn.ModuleList(Attention(fill=-1e10) for _ in range(1 + decoder))
        self.feed_forward = FeedForward()
        self.norms = nn.ModuleList(nn.LayerNorm(D) for _ in range(2 + decoder))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, X, mask, memory=None, memory_mask=None):
        X = self.norms[0](X + self.dropout(self.attentions[0](X, X, mask)))
        if memory is not None:
            X = self.norms[1](X + self.dropout(self.attentions[1](X, memory, memory_mask)))
        return self.norms[-1](X + self.dropout(self.feed_forward(X)))


class Seq2Seq(Recipe):
    def plan(self):
        """Pools of 100 batches are sorted by interleaved lengths, cut into batches, and the batches shuffled."""
        dice = random.Random(0)
        for pool in in_order(len(self.pairs), min(12_800, len(self.pairs)), dice):
            pool.sort(key=lambda i: interleaved(len(self.pairs[i][0]), len(self.pairs[i][1])))
            batches = [pool[start : start + 128] for start in range(0, len(pool), 128)]
            dice.shuffle(batches)
            yield from batches

    def build(self, V):
        parts = {
            "source": nn.Embedding(V, D),
            "target": nn.Embedding(V, D),
            "source_place": nn.Embedding(100, D),
            "target_place": nn.Embedding(100, D),
            "encoder": nn.ModuleList(PostNormLayer(False) for _ in range(LAYERS)),
            "decoder": nn.ModuleList(PostNormLayer(True) for _ in range(LAYERS)),
            "generator": nn.Linear(D, V),
        }
        self.model = nn.ModuleDict(parts).to(self.device).train()
        for parameter in self.model.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.dropout = nn.Dropout(DROPOUT)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.0005)
        self.loss = nn.CrossEntropyLoss(ignore_index=PAD)

    def embed(self, side, tokens):
        places = torch.arange(tokens.shape[1], device=self.device).expand(len(tokens), -1)
        return self.dropout(self.model[side](tokens) * math.sqrt(D) + self.model[f"{side}_place"](places))

    def learn(self, indices):
        x, y = self.framed(indices, 0), self.framed(indices, 1)
        before = y[:, :-1]
        t = before.shape[1]
        mask = (x != PAD)[:, None, None]
        own = (before != PAD)[:, None, None] & torch.ones(t, t, dtype=torch.bool, device=self.device).tril()
        self.optimizer.zero_grad()
        X, Y = self.embed("source", x), self.embed("target", before)
        for layer in self.model["encoder"]:
            X = layer(X, mask)
        for layer in self.model["decoder"]:
            Y = layer(Y, own, X, mask)
        logits = self.model["generator"](Y)
        loss = self.loss(logits.reshape(-1, logits.shape[-1]), y[:, 1:].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1)
        self.optimizer.step()
        loss.item()
        return x.numel() + before.numel()


def interleaved(a: int, b: int) -> int:
    """The bits of two lengths in turn: near in this number is near in both."""
    return sum(((a >> k & 1) << (2 * k + 1)) | ((b >> k & 1) << (2 * k)) for k in range(16))


# ---- ours -----------------------------------------------------------------------------------------------------------


class Ours(Recipe):
    def plan(self):
        return epochs(self.pairs, self.config.tokens, self.config.seed)

    def __init__(self, pairs, V, device, tokenizer, tokens):
        self.tokenizer = tokenizer
        self.config = Config(corpus="multi30k-de-en", d_model=D, h=H, layers=LAYERS, d_ff=D_FF, tokens=tokens)
        super().__init__(pairs, V, device)

    def build(self, V):
        self.trainer = Trainer(Run("nowhere"), self.config, self.tokenizer, "en", self.pairs, [], self.device)

    def learn(self, indices):
        self.trainer.learn(indices)
        longest_x = max(len(self.pairs[i][0]) for i in indices)
        longest_y = max(len(self.pairs[i][1]) + 1 for i in indices)
        return len(indices) * (longest_x + longest_y)


# ---- measuring ------------------------------------------------------------------------------------------------------


def timed(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of this process's CPU and of the wall clock."""
    began = time.process_time(), time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.process_time() - began[0], time.perf_counter() - began[1]


def training(options: argparse.Namespace, device: torch.device) -> dict:
    """Tokens per second of each recipe, round by round."""
    corpus = load("multi30k-de-en", options.data)
    tokenizer = Tokenizer.train([side for pair in corpus.train for side in pair], 8000)
    pairs = [(tokenizer.encode(x), tokenizer.encode(y)) for x, y in corpus.train]
    V = len(tokenizer)
    recipes: dict[str, tuple[Recipe, int]] = {  # with how many batches take about as long as one of the tutorial's
        "tutorial": (Tutorial(pairs, V, device), 1),
        "annotated": (Annotated(pairs, V, device), 2),
        "seq2seq": (Seq2Seq(pairs, V, device), 4),
        "ours": (Ours(pairs, V, device, tokenizer, options.tokens), 6),
    }
    for recipe, _ in recipes.values():
        recipe.step()  # warms up
    rounds: dict[str, list[dict]] = {name: [] for name in recipes}
    for _ in range(options.rounds):
        for name, (recipe, times) in recipes.items():
            done: list[Work] = []
            count = options.batches * times
            cpu, wall = timed(lambda r=recipe, c=count, d=done: d.extend(r.step() for _ in range(c)), device)
            tokens, entries = (sum(column) for column in zip(*done, strict=True))
            rounds[name].append({"tokens": tokens, "entries": entries, "cpu_seconds": cpu, "wall_seconds": wall})
    return rounds


def report(rounds: dict, clock: str) -> dict[str, float]:
    """A table; returns the median tokens per second."""
    speed = {name: statistics.median(turn["tokens"] / turn[clock] for turn in turns) for name, turns in rounds.items()}
    print(f"{'recipe':10} {'tokens/s':>9} {'lowest':>8} {'highest':>8} {'ours is':>8} {'padding efficiency':>19}")
    for name, turns in rounds.items():
        each = [turn["tokens"] / turn[clock] for turn in turns]
        real = sum(turn["tokens"] for turn in turns) / sum(turn["entries"] for turn in turns)
        ratio = speed["ours"] / speed[name]
        print(f"{name:10} {speed[name]:9,.0f} {min(each):8,.0f} {max(each):8,.0f} {ratio:7.2f}× {real:18.1%}")
    return speed


class Forgetful(nn.Module):
    """A model as `beam_search` wants it, that keeps ids and computes everything else anew at each step."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def start(self, x, lengths):
        past, source, real = self.model.start(x, lengths)
        self.empty = [[tensor[:1] for tensor in pair] for pair in past]
        return [[torch.empty(len(x), 0, dtype=torch.int64, device=x.device)]], source, real

    def decode(self, y, state):
        ((before,),), source, real = state
        y = torch.cat([before, y], dim=1)
        empty = [[tensor.expand(len(y), -1, -1, -1) for tensor in pair] for pair in self.empty]
        logits, _ = self.model.decode(y, (empty, source, real))
        return logits, ([[y]], source, real)


def decoding(options: argparse.Namespace, device: torch.device) -> dict:
    """Sentences per second of a trained run, round by round, in the batches that `translate` makes."""
    run = Run(options.decode)
    corpus = load(run.config().corpus, options.data)
    model, tokenizer = run.model().to(device), run.tokenizer()
    sources = [tokenizer.encode(x) for x, _ in spread(corpus.test, options.sentences)]
    ways = {
        "greedy, cached": lambda: translate(model, sources, 1),
        "greedy, not cached": lambda: translate(Forgetful(model), sources, 1),
        "beam 5, cached": lambda: translate(model, sources, 5),
        "beam 5, not cached": lambda: translate(Forgetful(model), sources, 5),
    }
    rounds: dict[str, list[dict]] = {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, way in ways.items():
            cpu, wall = timed(way, device)
            if number:
                rounds[name].append({"sentences": len(sources), "cpu_seconds": cpu, "wall_seconds": wall})
    return rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with Multi30k's files, in place of a download")
    parser.add_argument("--decode", type=Path, help="measure decoding with this run, not training")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=1, help="how many times as many batches in a round")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens of our batches")
    parser.add_argument("--sentences", type=int, default=200, help="sentences to decode")
    parser.add_argument("--out", type=Path, help="file for the JSON object, too")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # torch's advice on what the authors wrote
    torch.set_num_threads(options.threads)
    device = device_for(options.device)
    clock = "wall_seconds" if device.type == "cuda" else "cpu_seconds"
    if options.decode:
        rounds = decoding(options, device)
        for name, turns in rounds.items():
            speed = statistics.median(turn["sentences"] / turn[clock] for turn in turns)
            print(f"{name:20} {speed:8.1f} sentences/s")
    else:
        rounds = training(options, device)
        speed = report(rounds, clock)
        best = max(value for name, value in speed.items() if name != "ours")
        print(f"\nours / the best of the others: {speed['ours'] / best:.2f}")
    facts = {
        "what": "decoding" if options.decode else "training",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": options.threads,
        "torch": torch.__version__,
        "revision": revision(),
        "clock": clock,
        "rounds": rounds,
    }
    print(json.dumps(facts))
    if options.out:
        options.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
