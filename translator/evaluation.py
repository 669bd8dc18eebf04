"""How good are translations? BLEU and chrF by sacreBLEU, on cased text as people write it, with the signature."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from sacrebleu.metrics import BLEU, CHRF

from autograder.reference.transformer import Transformer
from translator.bpe import Tokenizer
from translator.decoding import Ensemble, Hypothesis, search, translate
from translator.runs import BadRun, Run

ALPHAS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)


@dataclass(frozen=True)
class Quality:
    """Corpus scores from 0 to 100.

    ``signature`` says how BLEU was computed; ``length_ratio`` is the output's length over the reference's.
    """

    bleu: float
    chrf: float
    signature: str
    brevity_penalty: float
    length_ratio: float
    exact_match: float


def quality(translations: Sequence[str], references: Sequence[str], language: str) -> Quality:
    """The scores of translations against one reference each. ``language`` is that of both ("zh" is cut by characters).

    Raises ValueError where there is nothing to score, or not as many translations as references.
    """
    if not references or len(translations) != len(references):
        raise ValueError(f"{len(translations)} translations can't be scored against {len(references)} references.")
    metric = BLEU(tokenize="zh" if language == "zh" else "13a")
    score = metric.corpus_score(list(translations), [list(references)])
    return Quality(
        bleu=score.score,
        chrf=CHRF().corpus_score(list(translations), [list(references)]).score,
        signature=str(metric.get_signature()),
        brevity_penalty=score.bp,
        length_ratio=score.ratio,
        exact_match=100 * sum(map(str.__eq__, translations, references)) / len(references),
    )


def translations(
    model: Transformer | Ensemble, tokenizer: Tokenizer, sentences: Sequence[str], width: int, alpha: float
) -> list[str]:
    """Text to text: each sentence's best translation by beam search."""
    found = translate(model, [tokenizer.encode(sentence) for sentence in sentences], width, alpha)
    return [tokenizer.decode(hypothesis.ids) for hypothesis in found]


def together(runs: Sequence[Run], device: torch.device) -> tuple[Transformer | Ensemble, Tokenizer, float]:
    """The model of one run or the ensemble of several, their tokenizer, and the mean of their alphas.

    Raises BadRun where one of them does not translate, or has another vocabulary.
    """
    for run in runs:
        run.demand("translate")
        if run.read("tokenizer.json") != runs[0].read("tokenizer.json"):
            raise BadRun(
                f"{run.folder} has another vocabulary than {runs[0].folder}: only runs of one corpus and one "
                "--vocabulary translate together."
            )
    models = [run.model().to(device) for run in runs]
    model = models[0] if len(models) == 1 else Ensemble(models)
    return model, runs[0].tokenizer(), mean(run.alpha() for run in runs)


def tune(
    model: Transformer | Ensemble, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], language: str, width: int = 5
) -> dict[float, float]:
    """BLEU on these pairs with each length normalisation; without any, a beam prefers what is too short.

    One search serves them all: which sentences a beam finishes does not depend on alpha, only which of them is taken.
    """
    sources, references = zip(*pairs, strict=True)
    found = search(model, [tokenizer.encode(source) for source in sources], width, best=width)
    return {
        alpha: quality([tokenizer.decode(taken(finished, alpha).ids) for finished in found], references, language).bleu
        for alpha in ALPHAS
    }


def taken(finished: Sequence[Hypothesis], alpha: float) -> Hypothesis:
    """The best of one sentence's hypotheses by log p / n^alpha. (Either all of them end in <eos>, which n counts, or
    all were cut at one length.)"""
    return max(finished, key=lambda hypothesis: hypothesis.log_p / (len(hypothesis.ids) + 1) ** alpha)
