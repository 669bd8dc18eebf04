"""From source ids to target ids: beam search for many sentences at once, with the decoder's cache.

A width of 1 is greedy decoding. What a sentence is translated to depends on the sentence alone, not on the others in
its batch nor on the padding (up to rounding, where two continuations are equally likely). Several models can translate
together: `Ensemble`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import nn

from autograder.reference.transformer import Transformer
from translator.vocabulary import BOS, EOS, PAD, pad


@dataclass
class Hypothesis:
    """A translation: its ids without <bos> and <eos>, log p of all its tokens, and log p / n^alpha (n with <eos>)."""

    ids: list[int]
    log_p: float
    score: float


@dataclass
class Search:
    """One sentence's search: how long its translation may get, and what is finished."""

    limit: int
    finished: list[Hypothesis] = field(default_factory=list)

    def best(self) -> list[Hypothesis]:
        return sorted(self.finished, key=lambda hypothesis: -hypothesis.score)


def longest(source: int) -> int:
    """How many tokens a translation of ``source`` tokens may have, <eos> included."""
    return 2 * source + 10


class Ensemble(nn.Module):
    """Models of one vocabulary that translate together: p(token) is the mean of what they give it.

    It stands where `beam_search` takes a model. The layers of all members are one list in its states.
    """

    def __init__(self, members: Iterable[Transformer]):
        super().__init__()
        self.members = nn.ModuleList(members)

    def start(self, x: torch.Tensor, lengths: torch.Tensor) -> tuple[list, list, torch.Tensor]:
        past, source, real = zip(*(member.start(x, lengths) for member in self.members), strict=True)
        return list(chain(*past)), list(chain(*source)), real[0]

    def decode(self, y: torch.Tensor, state: tuple[list, list, torch.Tensor]) -> tuple[torch.Tensor, tuple]:
        """y: [batch, t] -> log p: [batch, t, V] and the next state."""
        past, source, real = state
        log_p, present = [], []
        for member in self.members:
            own = slice(len(present), len(present) + len(member.decoder))
            logits, (seen, _, _) = member.decode(y, (past[own], source[own], real))
            log_p.append(logits.log_softmax(-1))
            present += seen
        return torch.stack(log_p).logsumexp(0) - math.log(len(log_p)), (present, source, real)


@torch.inference_mode()
def beam_search(
    model: Transformer | Ensemble,
    x: torch.Tensor,
    lengths: torch.Tensor,
    width: int = 5,
    alpha: float = 1.0,
    best: int = 1,
) -> list[list[Hypothesis]]:
    """The finished hypotheses of each sentence, best first. The first ``best`` of them are what is asked for.

    x: [batch, m], int64, padded; lengths: [batch]; both on the model's device. In each round every unfinished
    hypothesis is extended by every token, and of all extensions of a sentence the best 2·width are looked at: those
    among the first ``width`` that end in <eos> are finished, the first ``width`` others go on. A sentence is done when
    ``width`` hypotheses are finished, when none that goes on can still come among the first ``best`` of them, or at its
    `longest` length, where what goes on counts as finished. The score is log p / n^alpha (Wu and others, 2016, without
    their 5).
    """
    model.eval()
    searches = [Search(longest(length)) for length in lengths.tolist()]
    open_ = list(range(len(searches)))  # the sentences that are searched, in the order of the tensors' blocks
    rows = torch.arange(len(open_), device=x.device).repeat_interleave(width)
    past, source, real = model.start(x, lengths)
    past, source, real = select(past, rows), select(source, rows), real[rows]
    written = torch.full((len(rows), 1), BOS, device=x.device)  # [open · width, 1 + n]
    log_p = torch.full((len(open_), width), -torch.inf, device=x.device)
    log_p[:, 0] = 0  # at first all hypotheses of a sentence are the same, and only one may count

    while open_:
        n = written.shape[1]  # tokens of an extended hypothesis, without <bos>
        logits, (past, source, real) = model.decode(written[:, -1:], (past, source, real))
        step = logits[:, -1].float().log_softmax(-1)
        step[:, [PAD, BOS]] = -torch.inf  # never written
        vocabulary = step.shape[1]
        extended = (log_p.reshape(-1, 1) + step).reshape(len(open_), width * vocabulary)
        ranked, flat = extended.topk(min(2 * width, width * vocabulary), dim=1)  # [open, 2 · width]
        beam, token = flat // vocabulary, flat % vocabulary
        values, beams, tokens = ranked.tolist(), beam.tolist(), token.tolist()

        done, keep = [], []  # blocks; and for each open sentence the candidates that go on
        for block, sentence in enumerate(open_):
            this, going_on = searches[sentence], []
            for rank, (value, word) in enumerate(zip(values[block], tokens[block], strict=True)):
                if value == -torch.inf:
                    break
                if word == EOS:
                    if rank < width:
                        ids = written[block * width + beams[block][rank], 1:].tolist()
                        this.finished.append(Hypothesis(ids, value, value / n**alpha))
                elif len(going_on) < width:
                    going_on.append(rank)
            if n == this.limit and not this.finished:
                for rank in going_on:
                    ids = [*written[block * width + beams[block][rank], 1:].tolist(), tokens[block][rank]]
                    value = values[block][rank]
                    this.finished.append(Hypothesis(ids, value, value / n**alpha))
            hopeless = (
                not going_on
                or len(this.finished) >= width
                or (
                    len(this.finished) >= best  # and log p only falls:
                    and this.best()[best - 1].score >= values[block][going_on[0]] / this.limit**alpha
                )
            )
            if hopeless or n == this.limit:
                done.append(block)
            keep.append(going_on)
        blocks = [block for block in range(len(open_)) if block not in done]
        if not blocks:
            break
        # The rows that go on, as many for each sentence; a sentence with fewer repeats its first with log p = −∞.
        chosen = torch.tensor([[*keep[b], *[keep[b][0]] * (width - len(keep[b]))] for b in blocks], device=x.device)
        missing = torch.tensor([[k >= len(keep[b]) for k in range(width)] for b in blocks], device=x.device)
        index = torch.tensor(blocks, device=x.device)[:, None]
        log_p = ranked[index, chosen].masked_fill(missing, -torch.inf)
        rows = (index * width + beam[index, chosen]).reshape(-1)
        written = torch.cat([written[rows], token[index, chosen].reshape(-1, 1)], dim=1)
        past = select(past, rows)
        if done:
            source, real = select(source, rows), real[rows]  # the same within a sentence: only blocks are dropped
        open_ = [open_[block] for block in blocks]

    return [this.best() for this in searches]


def select(layers: list, rows: torch.Tensor) -> list:
    """These rows of each layer's keys and values."""
    return [[tensor[rows] for tensor in pair] for pair in layers]


def search(
    model: Transformer | Ensemble,
    sources: Sequence[Sequence[int]],
    width: int = 5,
    alpha: float = 1.0,
    best: int = 1,
    tokens: int = 4096,
) -> list[list[Hypothesis]]:
    """`beam_search` for any number of sources (ids, without <eos>), in the order given. An empty source gives nothing.

    Sentences of about equal length are decoded together, at most ``tokens`` source tokens times ``width`` at a time.
    """
    device = next(model.parameters()).device
    found: list[list[Hypothesis]] = [[Hypothesis([], 0.0, 0.0)]] * len(sources)
    waiting = sorted((i for i, source in enumerate(sources) if len(source)), key=lambda i: -len(sources[i]))
    while waiting:
        size = max(1, tokens // (width * len(sources[waiting[0]])))
        together, waiting = waiting[:size], waiting[size:]
        x, lengths = pad([sources[i] for i in together])
        hypotheses = beam_search(model, x.to(device), lengths.to(device), width, alpha, best)
        for i, its in zip(together, hypotheses, strict=True):
            found[i] = its
    return found


def translate(
    model: Transformer | Ensemble,
    sources: Sequence[Sequence[int]],
    width: int = 5,
    alpha: float = 1.0,
    tokens: int = 4096,
) -> list[Hypothesis]:
    """The best translation of each source, as `search` finds it."""
    return [hypotheses[0] for hypotheses in search(model, sources, width, alpha, tokens=tokens)]
