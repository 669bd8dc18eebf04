"""The synthetic corpus: what its sentences promise, and what the grammar has to be for that."""

import doctest
import hashlib
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translator import synthetic
from translator.synthetic import Pair, corpus, example, grammar, held_out, lexicon

NUMBERS = {"two", "three", "four", "five", "several"}


@cache
def drawn(split="train", start="SENTENCE", size=3000):
    return corpus(size, seed=1, split=split, start=start)


def text(pairs):
    return "\n".join(f"{' '.join(p.source)}\t{' '.join(p.target)}\t{p.links}" for p in pairs)


# ---- the same everywhere --------------------------------------------------------------------------------------------


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(synthetic).failed == 0


def test_the_same_arguments_give_the_same_pairs():
    assert corpus(50, seed=4) == corpus(50, seed=4) != corpus(50, seed=5)
    assert corpus(80, seed=4)[:50] == corpus(50, seed=4)


def test_the_pairs_do_not_depend_on_the_process():
    """Sets and hashes differ from process to process; the corpus may not."""
    code = "from translator.synthetic import corpus; print([(p.source, p.target, p.links) for p in corpus(60, seed=9)])"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_the_corpus_is_the_one_that_the_chapters_were_written_with():
    """A digest: whoever changes the grammar changes every chapter's numbers, and should know it."""
    digest = hashlib.sha256(
        text(corpus(500, seed=0) + corpus(200, seed=0, start="PLANS", words=3)).encode()
    ).hexdigest()
    assert digest[:16] == "0c8540a8a345a7d6"


def test_only_random_random_is_drawn_from():
    """It alone of Python's generators gives the same numbers in every version."""

    class OnlyRandom:
        def __init__(self, seed):
            self.random = synthetic_random(seed).random

    synthetic_random = synthetic.random.Random
    usual = corpus(20, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic.random, "Random", OnlyRandom)
        assert corpus(20, seed=3) == usual


# ---- what was asked for ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(0, 30), st.integers(4, 12), st.sampled_from(["train", "test"]))
def test_size_length_and_difference(seed, size, low, split):
    pairs = corpus(size, seed=seed, split=split, length=(low, low + 6))
    assert len(pairs) == len({pair.source for pair in pairs}) == size
    assert all(low <= len(pair.source) <= low + 6 for pair in pairs)


def test_there_are_short_sentences_and_long_ones():
    for length in [(3, 4), (10, 10), (25, 30), (38, 45)]:
        assert corpus(10, length=length)


def test_few_words_make_a_small_language():
    pairs = corpus(500, start="PLANS", words=3, length=(4, 15))
    assert len({word for pair in pairs for word in pair.source}) < 40
    assert all({"想", "会", "可以", "应该", "必须"} & set(pair.source) for pair in pairs)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"split": "dev"}, "split must be 'train' or 'test', not 'dev'"),
        ({"start": "NONSENSE"}, "there is no rule for 'NONSENSE'; start from one of SENTENCE, STATEMENT"),
        ({"length": (1, 2)}, "only 0 different train pairs of 1 to 2 source tokens were found, not 5"),
        ({"start": "TRIP", "size": 5000}, "different train pairs of 3 to 40 source tokens were found, not 5000"),
    ],
)
def test_what_cannot_be_given_is_said(arguments, sentence):
    with pytest.raises(ValueError) as error:
        corpus(**({"size": 5} | arguments))
    assert sentence in str(error.value)


# ---- held-out combinations ------------------------------------------------------------------------------------------


def test_no_held_out_combination_is_in_training_and_every_test_pair_has_one():
    assert not [pair for pair in drawn("train") if pair.combinations & held_out()]
    assert all(pair.combinations & held_out() for pair in drawn("test"))


def test_held_out_words_never_stand_side_by_side_in_training():
    """The same without the grammar's own word for it: bare objects stand right behind their verbs."""
    assert not [pair for pair in drawn("train") if held_out() & set(pairwise(pair.source))]
    assert [pair for pair in drawn("test") if held_out() & set(pairwise(pair.source))]


def test_every_held_out_word_is_met_in_training():
    met = {word for pair in drawn("train") for combination in pair.combinations for word in combination}
    assert {word for combination in held_out() for word in combination} <= met


def test_held_out_combinations_are_a_tenth_and_of_many_kinds():
    possible = {c for pair in [*drawn("train"), *drawn("test")] for c in pair.combinations} | held_out()
    assert 0.07 < len(held_out()) / len(possible) < 0.15
    assert len({predicate for predicate, _ in held_out()}) > 20
    assert ("吃", "汉堡") not in held_out()


# ---- one meaning ----------------------------------------------------------------------------------------------------


def test_a_chinese_sentence_has_one_translation():
    translations = {}
    for pair in [*drawn("train"), *drawn("test"), *corpus(3000, seed=7)]:
        assert translations.setdefault(pair.source, pair.target) == pair.target


def test_the_courses_example_is_in_the_language_with_its_alignment():
    assert example() in corpus(80, start="PLAN", words=3, length=(4, 4))
    assert " ".join(example().target) == "I want to eat a hamburger"


# ---- alignments -----------------------------------------------------------------------------------------------------


def test_links_are_within_the_sentences_and_sorted_without_repeats():
    for pair in drawn():
        assert list(pair.links) == sorted(set(pair.links))
        assert all(0 <= i < len(pair.source) and 0 <= j < len(pair.target) for i, j in pair.links)


def test_linked_words_are_translations_of_each_other():
    """Checked against the lexicon: a noun is linked to its own forms and articles, and to nothing else."""
    for pair in drawn():
        linked = {}
        for i, j in pair.links:
            linked.setdefault(i, set()).add(pair.target[j])
        for i, token in enumerate(pair.source):
            if token in nouns():
                assert linked[i] <= nouns()[token] | {"a", "an", "the"} and linked[i] & nouns()[token]


@cache
def nouns():
    return {
        word.name: {token for form in word.english.values() for token in form}
        for kind in ("N", "PERSON", "FRIEND")
        for word in lexicon()[kind]
    }


def test_every_content_word_has_a_link():
    classes = ("N", "V", "BUY", "R", "PERSON", "PLACE", "CITY", "NAME", "PRONOUN", "ADJ")
    content = {word.chinese[0] for kind in classes for word in lexicon()[kind]}
    for pair in drawn():
        without = set(range(len(pair.source))) - {i for i, _ in pair.links}
        assert not {pair.source[i] for i in without} & content


def test_word_order_crosses_in_most_sentences():
    crossed = [any(a < c and b > d for a, b in p.links for c, d in p.links) for p in drawn()]
    assert sum(crossed) / len(crossed) > 0.5


def test_characters_keep_the_words_links():
    pair = Pair(("我", "喝", "果汁"), ("I", "drink", "juice"), ((0, 0), (1, 1), (2, 2)))
    assert pair.by_character().source == ("我", "喝", "果", "汁")
    assert pair.by_character().links == ((0, 0), (1, 1), (2, 2), (3, 2))
    for pair in drawn():
        characters = pair.by_character()
        assert "".join(characters.source) == "".join(pair.source) and characters.target == pair.target
        assert all(len(token) == 1 for token in characters.source)
        assert {j for _, j in characters.links} == {j for _, j in pair.links}


# ---- good English ---------------------------------------------------------------------------------------------------


def following(pairs, *before):
    """The tokens that come right after one of ``before``."""
    return {b for pair in pairs for a, b in pairwise(pair.target) if a in before}


def test_a_and_an_go_by_the_next_letter():
    assert all(word[0] not in "aeiou" for word in following(drawn(), "a"))
    assert all(word[0] in "aeiou" for word in following(drawn(), "an"))
    assert following(drawn(), "an")


def test_verbs_agree_with_pronouns():
    def subjects_of(token):
        return {a for pair in drawn() for a, b in pairwise(pair.target) if b == token}

    pronouns = {"I", "you", "he", "she", "we", "they"}
    assert subjects_of("am") & pronouns == {"I"}
    for token in ("is", "has", "does", "wants", "likes", "needs"):
        assert subjects_of(token) & pronouns <= {"he", "she"}
    for token in ("are", "were"):
        assert subjects_of(token) & pronouns <= {"you", "we", "they"}
    for token in ("have", "want", "like", "need"):  # after did, does and will the subject may be any
        statements = [p for p in drawn() if "?" not in p.target]
        before = {a for p in statements for a, b in pairwise(p.target) if b == token}
        assert before & pronouns <= {"I", "you", "we", "they"}


def test_verbs_agree_with_nouns():
    singular = {word.english[""][-1] for word in lexicon()["PERSON"]}
    plural = {word.english["plural"][-1] for word in lexicon()["PERSON"]}
    for pair in (p for p in drawn() if "?" not in p.target and not {"who", "in"} & set(p.target)):
        for a, b in pairwise(pair.target):
            assert not (a in plural and b in {"is", "was", "has", "does", "wants", "likes", "knows"})
            assert not (a in singular and b in {"are", "were", "have", "do", "want", "like", "know"})


def test_numbers_go_with_plurals():
    singular = {t for w in [*lexicon()["N"], *lexicon()["PERSON"]] for t in w.english[""]} | {"cup", "glass", "bowl"}
    plural = {t for w in [*lexicon()["N"], *lexicon()["PERSON"]] for t in w.english.get("plural", ())}
    plural |= {"cups", "glasses", "bowls"}
    for pair in drawn():
        for j, token in enumerate(pair.target):
            if token in NUMBERS:
                first_noun = next(word for word in pair.target[j:] if word in singular | plural)
                assert first_noun in plural


def test_irregular_forms_are_used():
    said = {token for split in ("train", "test") for pair in drawn(split) for token in pair.target}
    assert {"children", "women", "men", "mice", "sheep", "tomatoes", "knives", "ate", "eaten", "drawn", "broke"} <= said
    wrong = {
        "childs",
        "mans",
        "womans",
        "mouses",
        "sheeps",
        "tomatos",
        "knifes",
        "eated",
        "breaked",
        "drinked",
        "writed",
    }
    assert not said & (wrong | {"runing", "writeing", "puting", "goed", "washs", "boxs"})


def test_have_is_followed_by_a_participle_and_did_by_no_past():
    verbs = [w for kind in ("V", "BUY", "R", "P", "GIVE", "LEND", "PUT", "GO") for w in lexicon()[kind]]
    participles = {w.english["participle"][0] for w in verbs} | {"been"}
    asked = [p for p in drawn() if p.target[0] not in ("do", "does", "did")]
    assert following(asked, "have", "has") - {"never"} <= participles
    assert following(drawn(), "never") <= participles
    pasts = {w.english["past"][0] for w in verbs} - {w.english[""][0] for w in verbs}
    assert not following(drawn(), "not", "will", "can", "should", "must", "to") & pasts


def test_no_one_is_named_twice_in_a_sentence():
    names = {word.name for word in lexicon()["NAME"]}
    for pair in drawn():
        assert all(pair.source.count(name) <= 1 for name in names)


# ---- good Chinese ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "了",
        "过",
        "正在",
        "在",
        "把",
        "被",
        "吗",
        "谁",
        "什么",
        "哪里",
        "比",
        "没有",
        "们",
        "着",
        "因为",
        "如果",
        "为什么",
    ],
)
def test_every_construction_occurs(words):
    assert any(words in pair.source for pair in drawn())


def test_nouns_stand_with_their_own_classifiers():
    own = {word.name: word.classifier.name for word in lexicon()["N"]}
    classifiers = set(own.values())
    for pair in drawn():
        for classifier, noun in pairwise(pair.source):
            if classifier in classifiers - {"把"} and noun in own:  # 把 is a preposition as well
                assert classifier == own[noun]


def test_time_and_place_come_before_the_verb_and_relative_clauses_before_the_noun():
    for pair in drawn(start="PAST", size=500):
        if "了" in pair.source and "在" in pair.source and "把" not in pair.source:
            assert pair.source.index("在") < pair.source.index("了")
    for pair in drawn():
        if "who" in pair.target and "?" not in pair.target:
            assert "的" in pair.source[:-1]


# ---- the grammar as data --------------------------------------------------------------------------------------------


def rules():
    return [(symbol, rule) for symbol, found in grammar().items() for _, rule in found]


def test_every_child_can_be_expanded_and_stands_on_both_sides():
    for symbol, rule in rules():
        chinese = {item.name for item in rule.chinese if item.symbol}
        english = {item.name for item in rule.english if item.symbol}
        assert english - chinese == set(), (symbol, english - chinese)
        said = {item.mark for item in rule.english if item.mark}  # been/GO says GO in other words
        assert chinese - english - said == set(), (symbol, chinese - english - said)
        for item in rule.children:
            assert item.symbol in grammar() or item.symbol in lexicon() or item.symbol == "CL"
            assert item.governor is None or item.governor in chinese


def test_marks_and_agreement_refer_to_what_is_there():
    for symbol, rule in rules():
        children = {item.name for item in rule.children}
        numbers = [{i.mark for i in side if i.mark and i.mark.isdigit()} for side in (rule.chinese, rule.english)]
        assert numbers[0] == numbers[1], (symbol, numbers)
        for item in (*rule.chinese, *rule.english):
            assert item.mark is None or item.mark.isdigit() or item.mark in children
            assert item.agrees is None or item.agrees in children


def test_every_symbol_and_class_is_used():
    used = {item.symbol for _, rule in rules() for item in rule.children}
    assert set(grammar()) - used <= {"SENTENCE", "PLANS"}
    assert set(lexicon()) <= used


def test_shares_end_at_one():
    for symbol, found in grammar().items():
        shares = [share for share, _ in found]
        assert shares == sorted(set(shares)) and shares[-1] == 1.0, symbol


def test_a_chinese_word_has_one_english_word_within_its_class():
    for words in lexicon().values():
        assert len({word.name for word in words}) == len({word.english[""] for word in words}) or words[0].kind in (
            "WEAR",
            "SAY",
        )
