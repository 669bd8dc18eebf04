"""Chapter 2: sequence to sequence. Two RNNs and the code c between them; loss, training and decoding on padded batches.

Rows and batch first; m is the source length, t the target length. Token ids are int64 tensors; PAD, BOS and EOS are the
ids of the special tokens. Torch throughout: the recurrences are ``nn.GRU``, which chapter 1 builds and proves equal.
Not here: attention (chapter 3), and anything that knows Chinese or English (`translator`).
"""

import torch
from torch import nn

PAD, BOS, EOS = 0, 1, 2


# ---- targets and loss --------------------------------------------------------------------------------------------


def shift_right(y, bos=BOS):
    """What the decoder reads while it learns to write y: ``bos``, then y without its last column (teacher forcing).

    y: [batch, t], int64, each row a sentence, <eos>, padding. Returns [batch, t], a new tensor of y's dtype.
    """
    first = torch.full_like(y[:, :1], bos)  # [batch, 1]
    return torch.cat([first, y[:, :-1]], dim=1)  # [batch, t]


def masked_cross_entropy(logits, y, pad=PAD):
    """The mean of −log p(y_j) over the real target tokens of the batch; what is predicted at padding doesn't matter.

    logits: [batch, t, V], floating; y: [batch, t], int64, with at least one token that isn't ``pad``.
    Returns a scalar tensor of the logits' dtype.
    """
    log_p = logits.log_softmax(-1).gather(-1, y[:, :, None])[:, :, 0]  # [batch, t], log p(y_j)
    real = y != pad  # [batch, t]
    return -log_p[real].mean()


def sentence_scores(logits, y, alpha, pad=PAD):
    """Length-normalised log-probabilities: (log p(y_1) + … + log p(y_n)) / n^alpha, n the number of real tokens.

    logits: [batch, t, V], floating; y: [batch, t], int64, each row with at least one real token; alpha: a float, 0 for
    the plain sum, 1 for the mean. Returns [batch], the logits' dtype.
    """
    log_p = logits.log_softmax(-1).gather(-1, y[:, :, None])[:, :, 0]  # [batch, t], log p(y_j)
    real = y != pad  # [batch, t]
    return log_p.masked_fill(~real, 0).sum(1) / real.sum(1) ** alpha  # [batch]


# ---- the model ----------------------------------------------------------------------------------------------------


def decode_states(c, y_embedded, W_y, W_c, W_s, b):
    """The decoder of a plain RNN under teacher forcing: s_0 = c and s_j = tanh(y_{j-1} W_y + c W_c + s_{j-1} W_s + b).

    c: [batch, d], the code; y_embedded: [batch, t, d_y], the embedded right-shifted target; W_y: [d_y, d];
    W_c, W_s: [d, d]; b: [d]. Returns the states s_1 … s_t: [batch, t, d], the dtype of the inputs.
    """
    s, S = c, []
    for j in range(y_embedded.shape[1]):
        s = torch.tanh(y_embedded[:, j] @ W_y + c @ W_c + s @ W_s + b)  # [batch, d]
        S.append(s)
    return torch.stack(S, dim=1)  # [batch, t, d]


class Seq2Seq(nn.Module):
    """The encoder–decoder of Cho and others (2014) with GRUs: c = h_m, s_0 = c, s_j = GRU([y_{j-1}, c], s_{j-1}).

    The next word is read off the state and the code: logits_j = [s_j, c] W + b. ``d`` is the width of all states,
    ``d_e`` that of the embeddings. The gates that keep start open (chapter 1). To decode: ``start`` gives the first
    state, ``step`` advances it by one word.
    """

    def __init__(self, source_tokens, target_tokens, d_e, d):
        super().__init__()
        self.embed_source = nn.Embedding(source_tokens, d_e)
        self.embed_target = nn.Embedding(target_tokens, d_e)
        self.encoder = nn.GRU(d_e, d, batch_first=True)
        self.decoder = nn.GRU(d_e + d, d, batch_first=True)
        self.output = nn.Linear(2 * d, target_tokens)
        for net in (self.encoder, self.decoder):
            net.bias_hh_l0.data[d : 2 * d] += 2  # the update gate's block: sigmoid(2) = 0.88

    def encode(self, x, lengths):
        """x: [batch, m], lengths: [batch] -> c: [batch, d], each sentence's state after its last real token."""
        embedded = self.embed_source(x)  # [batch, m, d_e]
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        return self.encoder(packed)[1][0]  # [batch, d]

    def decode(self, y, s, c):
        """The decoder over y: [batch, t] from state s: [batch, d] -> logits: [batch, t, V] and the last state."""
        code = c[:, None, :].expand(-1, y.shape[1], -1)  # [batch, t, d]
        S, s = self.decoder(torch.cat([self.embed_target(y), code], -1), s[None])  # [batch, t, d], [1, batch, d]
        return self.output(torch.cat([S, code], -1)), s[0]

    def forward(self, x, lengths, y):
        """Teacher forcing: x: [batch, m], lengths: [batch], y: [batch, t] (shifted right) -> logits: [batch, t, V]."""
        c = self.encode(x, lengths)
        return self.decode(y, c, c)[0]

    def start(self, x, lengths):
        """The state to decode from: s_0 and the code, both c: [batch, d]."""
        c = self.encode(x, lengths)
        return c, c

    def step(self, y, state):
        """One word further. y: [batch], the words last written -> logits: [batch, V], the new state."""
        s, c = state
        logits, s = self.decode(y[:, None], s, c)  # [batch, 1, V]
        return logits[:, 0], (s, c)


def train(model, batches, steps, seed, lr=0.01):
    """Minimise `masked_cross_entropy` by Adam for ``steps`` batches in random order; return each step's loss.

    batches: a list of (x: [batch, m], lengths: [batch], y: [batch, t]), each row of y ending in <eos> and padding. The
    learning rate rises to ``lr`` and falls to 0 (one cycle); gradients are clipped to norm 1 (chapter 1).
    """
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    losses, todo = [], []
    for _ in range(steps):
        todo = todo or torch.randperm(len(batches), generator=order).tolist()
        x, lengths, y = batches[todo.pop()]
        loss = masked_cross_entropy(model(x, lengths, shift_right(y)), y)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return losses


# ---- decoding -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def greedy_decode(step, state, batch, max_length, bos=BOS, eos=EOS, pad=PAD):
    """Write the likeliest next word until <eos>, for a batch of sentences at once.

    step: a function of y: [batch] (int64, the words last written) and the state, which returns logits: [batch, V] and
    the new state; ``state`` is what the first step is given. Stops when all sentences have ended, or after
    ``max_length`` words. Returns [batch, ≤ max_length], int64: each row ends in <eos> and is padded behind it.
    """
    y = torch.full((batch,), bos)
    ended = torch.zeros(batch, dtype=torch.bool)
    written = []
    while len(written) < max_length and not ended.all():
        logits, state = step(y, state)
        y = logits.argmax(-1).masked_fill(ended, pad)  # [batch]
        ended = ended | (y == eos)
        written.append(y)
    return torch.stack(written, dim=1)  # [batch, ≤ max_length]


def beam_search(step, state, width, max_length, bos=BOS, eos=EOS):
    """The likeliest sentence among those that a beam of ``width`` finds, and its log-probability.

    step: a function of the word last written (an int) and a state, which returns log-probabilities: [V] and the new
    state. Each round extends each unfinished hypothesis by each word and keeps the best ``width`` of all; one that ends
    in <eos> is set aside. Stops when no hypothesis is left, when none can still beat the best finished one (a
    log-probability only falls), or after ``max_length`` words. Where none ended, the best unfinished one is the answer.
    Returns (words, log_p): a list of ints without <bos>, with its <eos>; a float.
    """
    beam, finished = [([], 0.0, bos, state)], []  # words, log p, the last word, the state before it is read
    for _ in range(max_length):
        extended = []
        for words, log_p, last, state in beam:
            log_probabilities, after = step(last, state)
            best = log_probabilities.topk(min(width, len(log_probabilities)))
            for more, word in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                extended.append(([*words, word], log_p + more, word, after))
        extended.sort(key=lambda hypothesis: -hypothesis[1])
        finished += [hypothesis for hypothesis in extended[:width] if hypothesis[2] == eos]
        beam = [hypothesis for hypothesis in extended[:width] if hypothesis[2] != eos]
        if not beam or (finished and max(f[1] for f in finished) >= beam[0][1]):
            break
    words, log_p, *_ = max(finished or beam, key=lambda hypothesis: hypothesis[1])
    return words, log_p


def scheduled_inputs(y, predicted, keep, bos=BOS):
    """The decoder's inputs under scheduled sampling (Bengio and others, 2015).

    Position j reads what came before it: y[:, j-1] where ``keep[:, j-1]`` is True, elsewhere the model's own word
    ``predicted[:, j-1]``; the first position reads ``bos``.
    y, predicted: [batch, t], int64; keep: [batch, t], boolean. Returns [batch, t], int64.
    """
    return shift_right(torch.where(keep, y, predicted), bos)
