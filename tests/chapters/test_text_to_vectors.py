"""The prelude's reference code against torch and brute force, and the claims that the chapter makes about it."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.reference import example
from autograder.reference import text_to_vectors as t2v
from translator import synthetic

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)
quickly = settings(deadline=None, max_examples=40)
words = st.text(alphabet="abc", min_size=1, max_size=9)
counts = st.dictionaries(words, st.integers(1, 20), min_size=1, max_size=8)


def normal(seed, *shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype).requires_grad_()


# ---- lookup --------------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, sizes, sizes, st.sampled_from([torch.float32, torch.float64]))
def test_a_lookup_is_a_one_hot_product_and_torch_embedding_gradients_included(seed, batch, m, V, d, dtype):
    generator = torch.Generator().manual_seed(seed)
    ids, W = torch.randint(V, (batch, m), generator=generator), normal(seed, V, d, dtype=dtype)
    layer = torch.nn.Embedding.from_pretrained(W.detach().clone(), freeze=False)
    g = torch.randn(batch, m, d, generator=generator, dtype=torch.float64).to(dtype)
    pad = V  # an id that does not occur: no padding
    tolerance = {"atol": 1e-12, "rtol": 1e-12} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-5}
    ways = [
        (t2v.embed(ids, W, pad), W),
        (F.one_hot(ids, V).to(dtype) @ W, W),
        (F.embedding(ids, W), W),
        (layer(ids), layer.weight),
    ]
    gradients = [torch.autograd.grad((x * g).sum(), weight)[0] for x, weight in ways]
    for (x, _), gradient in zip(ways, gradients, strict=True):
        torch.testing.assert_close(x, ways[0][0], **tolerance)
        torch.testing.assert_close(gradient, gradients[0], **tolerance)
    # The gradient is one-hotᵀ g, and a word that is not there gets exactly nothing.
    one_hot = F.one_hot(ids, V).to(dtype).reshape(-1, V)
    torch.testing.assert_close(gradients[0], one_hot.T @ g.reshape(-1, d), **tolerance)
    absent = [i for i in range(V) if i not in ids]
    assert (gradients[0][absent] == 0).all()


@quickly
@given(seeds, sizes, sizes, sizes, st.integers(2, 6))
def test_padding_is_zero_and_its_row_gets_no_gradient(seed, batch, m, d, V):
    generator = torch.Generator().manual_seed(seed)
    ids, W = torch.randint(V, (batch, m), generator=generator), normal(seed, V, d)
    pad = seed % V
    x = t2v.embed(ids, W, pad)
    assert (x[ids == pad] == 0).all() and torch.equal(x[ids != pad], W[ids[ids != pad]])
    (gradient,) = torch.autograd.grad((x * torch.rand_like(x)).sum(), W)
    assert (gradient[pad] == 0).all()


def test_torch_padding_idx_stops_the_gradient_and_not_the_row():
    W = normal(0, 4, 3)
    x = F.embedding(torch.tensor([[1, 0]]), W, padding_idx=0)
    assert torch.equal(x[0, 1], W[0]) and (torch.autograd.grad(x.sum(), W)[0][0] == 0).all()


def test_ids_and_one_hot_fail_as_the_chapter_says():
    is_verb, ids = np.array([0.0, 1.0, 1.0, 0.0]), np.arange(len(example.TOKENS))
    slope, bias = np.polyfit(ids, is_verb, 1)
    np.testing.assert_allclose(slope * ids + bias, 0.5)
    one_hot = np.eye(4)
    distance = np.linalg.norm(one_hot[:, None] - one_hot, axis=-1)
    np.testing.assert_allclose(distance, np.sqrt(2) * (1 - one_hot))
    for left_out in range(4):
        seen = np.delete(ids, left_out)
        assert np.linalg.lstsq(one_hot[seen], is_verb[seen], rcond=None)[0][left_out] == 0


# ---- neighbours ----------------------------------------------------------------------------------------------------


@quickly
@given(seeds, st.integers(2, 9), sizes, st.sampled_from([np.float32, np.float64]))
def test_neighbours_are_the_largest_cosines_of_torch_without_the_word_itself(seed, V, d, dtype):
    rng = np.random.default_rng(seed)
    W, ids = rng.normal(size=(V, d)).astype(dtype), rng.integers(V, size=3)
    k = int(rng.integers(1, V))
    neighbours, cosines = t2v.nearest_neighbours(W, ids, k)
    assert neighbours.shape == cosines.shape == (3, k) and cosines.dtype == dtype
    table = F.cosine_similarity(torch.from_numpy(W)[ids][:, None], torch.from_numpy(W)[None], dim=-1).numpy()
    for i, row, values, all_cosines in zip(ids, neighbours, cosines, table, strict=True):
        assert i not in row and len(set(row)) == k
        np.testing.assert_allclose(values, all_cosines[row], atol=1e-5 if dtype == np.float32 else 1e-12)
        assert (np.diff(values) <= 0).all()
        others = np.delete(all_cosines, [i, *row])
        assert not len(others) or others.max() <= values.min() + 1e-5


def test_a_row_of_zeros_has_cosine_zero_and_nothing_is_nan():
    W = np.array([[1.0, 2.0], [0.0, 0.0], [-1.0, -2.0]])
    neighbours, cosines = t2v.nearest_neighbours(W, np.array([0]), 2)
    assert neighbours.tolist() == [[1, 2]]
    np.testing.assert_allclose(cosines, [[0, -1]])


# ---- skip-gram with negative sampling --------------------------------------------------------------------------------


@quickly
@given(st.lists(st.lists(st.integers(0, 4), max_size=8), max_size=5), st.integers(1, 4))
def test_pairs_are_all_places_of_a_sentence_at_most_a_window_apart(sentences, window):
    pairs = t2v.skip_gram_pairs(sentences, window)
    expected = [
        (s[i], s[j]) for s in sentences for i in range(len(s)) for j in range(len(s)) if 1 <= abs(i - j) <= window
    ]
    assert pairs.shape == (len(expected), 2) and pairs.dtype == np.int64
    assert [tuple(pair) for pair in pairs.tolist()] == expected
    assert Counter(expected) == Counter((b, a) for a, b in expected)  # company is mutual


@quickly
@given(seeds, sizes, sizes, sizes, sizes, st.sampled_from([torch.float32, torch.float64]))
def test_the_loss_is_binary_cross_entropy_with_logits(seed, batch, K, V, d, dtype):
    generator = torch.Generator().manual_seed(seed)
    W_in, W_out = normal(seed, V, d, dtype=dtype), normal(seed + 1, V, d, dtype=dtype)
    centres, contexts = (torch.randint(V, (batch,), generator=generator) for _ in range(2))
    negatives = torch.randint(V, (batch, K), generator=generator)
    loss = t2v.negative_sampling_loss(W_in, W_out, centres, contexts, negatives)
    x = torch.einsum("bd,bkd->bk", W_in[centres], W_out[torch.cat([contexts[:, None], negatives], 1)])
    target = torch.zeros_like(x)
    target[:, 0] = 1
    library = F.binary_cross_entropy_with_logits(x, target, reduction="none").sum(1).mean()
    tolerance = {"atol": 1e-12, "rtol": 1e-10} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(loss, library, **tolerance)
    ours = torch.autograd.grad(loss, [W_in, W_out])
    for a, b in zip(ours, torch.autograd.grad(library, [W_in, W_out]), strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_and_its_gradient_are_finite_for_products_of_thousands(dtype):
    W_in = torch.tensor([[60.0], [-60.0]], dtype=dtype, requires_grad=True)
    W_out = torch.tensor([[50.0], [-50.0]], dtype=dtype, requires_grad=True)
    one = torch.tensor([1])
    loss = t2v.negative_sampling_loss(W_in, W_out, torch.tensor([0]), one, torch.tensor([[0]]))
    assert loss.item() == 6000  # both answers are wrong, by 3000 each
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(loss, [W_in, W_out]))


def test_with_untrained_contexts_the_loss_is_six_times_log_two():
    ids = torch.arange(4)
    loss = t2v.negative_sampling_loss(normal(0, 4, 3), torch.zeros(4, 3).double(), ids, ids, ids.repeat(5, 1).T)
    assert loss.item() == pytest.approx(6 * np.log(2))


@quickly
@given(seeds, sizes, sizes, sizes, st.sampled_from([0.1, 1.0, 30.0]))
def test_the_gradient_by_hand_is_autograds(seed, batch, K, d, scale):
    v, u, N = (scale * normal(seed + i, *shape) for i, shape in enumerate([(batch, d), (batch, d), (batch, K, d)]))
    v, u, N = (x.detach().requires_grad_() for x in (v, u, N))
    loss = -F.logsigmoid((v * u).sum(-1)).sum() - F.logsigmoid(-torch.einsum("bkd,bd->bk", N, v)).sum()
    ours = t2v.negative_sampling_gradient(*(x.detach().numpy() for x in (v, u, N)))
    for found, expected in zip(ours, torch.autograd.grad(loss, (v, u, N)), strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-10, atol=1e-10)


def test_the_gradient_keeps_float32_and_warns_of_nothing():
    large = np.full((1, 2), 1e3, np.float32)
    with np.errstate(all="raise", under="ignore"):
        for g in t2v.negative_sampling_gradient(large, -large, large[:, None]):
            assert g.dtype == np.float32 and np.isfinite(g).all()


# ---- byte pair encoding --------------------------------------------------------------------------------------------


def merges_with_a_regular_expression(counts, n):
    """BPE in the manner of the paper's listing: symbols joined by spaces, merged by a regular expression."""
    vocabulary = {" ".join([*word, t2v.END]): count for word, count in counts.items()}
    merges = []
    for _ in range(n):
        pairs = Counter()
        for word, count in vocabulary.items():
            for pair in pairwise(word.split()):
                pairs[pair] += count
        if not pairs:
            break
        most = max(pairs.values())
        best = min(pair for pair in pairs if pairs[pair] == most)
        merges.append(best)
        whole = re.compile(r"(?<!\S)" + re.escape(" ".join(best)) + r"(?!\S)")
        vocabulary = {whole.sub("".join(best), word): count for word, count in vocabulary.items()}
    return merges


@quickly
@given(counts, st.integers(0, 12))
def test_merges_are_those_of_the_papers_listing(counts, n):
    assert t2v.bpe_merges(counts, n) == merges_with_a_regular_expression(counts, n)


@quickly
@given(counts, st.integers(0, 12))
def test_merges_do_not_depend_on_the_order_of_the_words(counts, n):
    assert t2v.bpe_merges(counts, n) == t2v.bpe_merges(dict(reversed(counts.items())), n)


@quickly
@given(counts, st.integers(0, 12), st.text(alphabet="abcd汉", max_size=12))
def test_a_word_comes_back_whole(counts, n, word):
    symbols = t2v.bpe_encode(word, t2v.bpe_merges(counts, n))
    assert "".join(symbols) == word + t2v.END


@quickly
@given(counts)
def test_with_all_merges_every_training_word_is_one_symbol(counts):
    merges = t2v.bpe_merges(counts, 10_000)
    assert all(t2v.bpe_encode(word, merges) == [word + t2v.END] for word in counts)


@quickly
@given(counts, st.integers(1, 12))
def test_more_merges_never_make_a_word_longer(counts, n):
    merges = t2v.bpe_merges(counts, n)
    for word in counts:
        lengths = [len(t2v.bpe_encode(word, merges[:k])) for k in range(len(merges) + 1)]
        assert all(b <= a for a, b in pairwise(lengths))


def test_learnt_order_and_longest_match_differ():
    merges = [("b", "c"), ("a", "b")]
    assert t2v.bpe_encode("abc", merges) == ["a", "bc", t2v.END]  # the longest match from the left would be ab c


# ---- what the chapter claims ---------------------------------------------------------------------------------------


@quickly
@given(seeds, st.integers(2, 8))
def test_the_best_vector_for_two_senses_halves_the_angle(seed, d):
    """max over unit v of min(v·a, v·b) = √((1 + a·b)/2), among directions inside and outside the plane of a and b."""
    rng = np.random.default_rng(seed)
    a, b = (x / np.linalg.norm(x) for x in rng.normal(size=(2, d)))
    best = np.sqrt((1 + a @ b) / 2)
    middle = a + b
    if np.linalg.norm(middle) > 1e-6:
        middle /= np.linalg.norm(middle)
        np.testing.assert_allclose([middle @ a, middle @ b], best, atol=1e-9)
    v = rng.normal(size=(2000, d))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    assert np.minimum(v @ a, v @ b).max() <= best + 1e-12


def test_word2vec_finds_words_of_a_kind():
    """A short run of the chapter's training with the reference's parts: nearest neighbours share a class."""
    sentences = [pair.target for pair in synthetic.corpus(1500, seed=0)]
    found = Counter(word for s in sentences for word in s)
    names = sorted(found)
    frequency = np.array([found[word] for word in names]) / sum(found.values())
    keep = np.minimum(1, np.sqrt(0.01 / frequency))
    rng = np.random.default_rng(0)
    ids = {word: i for i, word in enumerate(names)}
    kept = [[ids[w] for w in s if rng.random() < keep[ids[w]]] for s in sentences]
    pairs = torch.from_numpy(t2v.skip_gram_pairs(kept, 2))
    torch.manual_seed(0)
    W_in = (0.1 * torch.randn(len(names), 32)).requires_grad_()
    W_out = torch.zeros(len(names), 32, requires_grad=True)
    optimiser = torch.optim.Adam([W_in, W_out], lr=0.02)
    noise = torch.from_numpy(frequency**0.75)
    for _ in range(200):
        centres, contexts = pairs[torch.randint(len(pairs), (1024,))].T
        negatives = torch.multinomial(noise, 5 * 1024, replacement=True).view(-1, 5)
        loss = t2v.negative_sampling_loss(W_in, W_out, centres, contexts, negatives)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    groups = ["doctor teacher student driver", "library school park kitchen", "cat dog bird", "my your his her"]
    class_of = {word: i for i, group in enumerate(groups) for word in group.split()}
    rows = np.array([ids[word] for word in class_of])
    near, _ = t2v.nearest_neighbours(W_in.detach().numpy()[rows], np.arange(len(rows)), 1)
    labels = np.array(list(class_of.values()))
    assert (labels[near[:, 0]] == labels).mean() > 0.85
