"""How good are translations? BLEU and chrF by sacreBLEU, on cased text as people write it, with the signature."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics import BLEU, CHRF


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
