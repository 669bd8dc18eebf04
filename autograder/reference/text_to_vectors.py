"""The prelude: from text to vectors. Lookup, skip-gram with negative sampling, neighbours, byte pair encoding.

Rows and batch first; V is the size of the vocabulary, d the width of an embedding. Token ids are integers from 0. The
functions that are differentiated are torch, the others NumPy or plain Python. Not here: a training loop (the chapter's
cells have it), and the tokenizer of the last chapter, which is made for speed (`translator`).
"""

from itertools import pairwise

import numpy as np
import torch.nn.functional as F

END = "</w>"  # the end of a word


# ---- lookup --------------------------------------------------------------------------------------------------------


def embed(ids, W, pad):
    """The rows of W named by the ids; padding gets a row of zeros, and W's row ``pad`` no gradient.

    ids: [batch, m], int64; W: [V, d], floating; pad: the id of padding, an int. Returns [batch, m, d], W's dtype.
    """
    real = ids != pad  # [batch, m]
    return W[ids] * real[:, :, None]  # [batch, m, d]


def nearest_neighbours(W, ids, k):
    """The k rows of W that point most nearly in the direction of each asked row, itself left out.

    W: [V, d], floating; ids: [n], integers, the rows that are asked for; k < V. The cosine with a row of zeros is 0.
    Returns (neighbours [n, k], int64, nearest first; their cosines [n, k], W's dtype).
    """
    norms = np.linalg.norm(W, axis=1, keepdims=True)  # [V, 1]
    U = W / np.where(norms > 0, norms, 1)  # [V, d], rows of length 1
    cosines = U[ids] @ U.T  # [n, V]
    others = cosines.copy()
    others[np.arange(len(ids)), ids] = -np.inf  # nobody is a neighbour of itself
    neighbours = np.argsort(-others, axis=1)[:, :k]  # [n, k]
    return neighbours, np.take_along_axis(cosines, neighbours, axis=1)


# ---- skip-gram with negative sampling (Mikolov and others, 2013) -----------------------------------------------------


def skip_gram_pairs(sentences, window):
    """All pairs (centre, context) of words that stand at most ``window`` places apart in one sentence.

    sentences: a list of lists of ids; window: an int of at least 1. Returns [pairs, 2], int64, ordered by sentence,
    then by the centre's place, then by the context's place.
    """
    pairs = []
    for sentence in sentences:
        for i, centre in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
                if j != i:
                    pairs.append((centre, sentence[j]))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def negative_sampling_loss(W_in, W_out, centres, contexts, negatives):
    """The mean over a batch of −log σ(v · u) − Σ_k log σ(−v · u_k), v a row of W_in, u and u_k rows of W_out.

    W_in, W_out: [V, d], floating; centres, contexts: [batch], int64; negatives: [batch, K], int64. Returns a scalar
    tensor of the matrices' dtype.
    """
    v = W_in[centres]  # [batch, d]
    u = W_out[contexts]  # [batch, d]
    u_k = W_out[negatives]  # [batch, K, d]
    true = (v * u).sum(-1)  # [batch]
    false = (u_k @ v[:, :, None])[:, :, 0]  # [batch, K]
    return -(F.logsigmoid(true) + F.logsigmoid(-false).sum(-1)).mean()


def negative_sampling_gradient(v, u, N):
    """The gradient of −log σ(v · u) − Σ_k log σ(−v · u_k) for each pair of a batch, by hand.

    v, u: [batch, d]; N: [batch, K, d], the rows u_k. Returns dL/dv: [batch, d], dL/du: [batch, d], dL/dN:
    [batch, K, d], the dtype of the inputs, for each pair by itself (no mean over the batch).
    """
    true = sigmoid((v * u).sum(-1, keepdims=True)) - 1  # [batch, 1], dL/d(v · u)
    false = sigmoid(N @ v[:, :, None])  # [batch, K, 1], dL/d(v · u_k)
    return true * u + (false * N).sum(1), true * v, false * v[:, None, :]


def sigmoid(x):
    """1 / (1 + exp(−x)), without overflow: exp is taken of negative numbers only."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


# ---- byte pair encoding (Sennrich and others, 2016) ------------------------------------------------------------------


def bpe_merges(counts, n):
    """Learn n merges: the most frequent pair of neighbouring symbols becomes one symbol, n times over.

    counts: {word: how often}; each word starts as its characters and the symbol "</w>". All neighbours are counted,
    overlapping ones too ("aaa" has the pair a a twice); of equally frequent pairs the first in alphabetical order is
    taken. Returns a list of pairs (left, right), fewer than n if no pair is left.
    """
    words = {word: [*word, END] for word in counts}
    merges = []
    for _ in range(n):
        frequency = {}
        for word, symbols in words.items():
            for pair in pairwise(symbols):
                frequency[pair] = frequency.get(pair, 0) + counts[word]
        if not frequency:
            break
        best = min(frequency, key=lambda pair: (-frequency[pair], pair))
        merges.append(best)
        words = {word: merge(symbols, best) for word, symbols in words.items()}
    return merges


def bpe_encode(word, merges):
    """Cut a word into symbols: its characters and "</w>", then each merge once, in the order in which they were learnt.

    word: a string; merges: a list of pairs (left, right). Returns a list of strings whose join is the word and "</w>".
    """
    symbols = [*word, END]
    for pair in merges:
        symbols = merge(symbols, pair)
    return symbols


def merge(symbols, pair):
    """A list of symbols with each (left, right) that stand side by side joined, from left to right."""
    merged, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == pair:
            merged.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged
