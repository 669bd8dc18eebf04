"""Chapter 2: what the exercises on sequence to sequence ask of a candidate."""

from itertools import chain

import numpy as np
import torch

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.reference import seq2seq

ASSIGNMENT = "02-seq2seq"


def sentences(rng, lengths, vocabulary, pad, eos, t=None):
    """Random targets: [batch, t], int64, row i of ``lengths[i]`` tokens, the last of them ``eos``, then padding."""
    words = [token for token in range(vocabulary) if token not in (pad, eos)]
    y = np.full((len(lengths), t or max(lengths)), pad)
    for row, n in zip(y, lengths, strict=True):
        row[: n - 1] = rng.choice(words, size=n - 1)
        row[n - 1] = eos
    return y


# ---- shift_right ----------------------------------------------------------------------------------------------------


def shift_cases(rng):
    yield Case("the worked example", {"y": np.array([[7, 8, 9, 2], [5, 2, 0, 0]]), "bos": 1})
    for about, lengths, t, special in [
        ("one sentence", [3], 3, (0, 1, 2)),
        ("3 sentences of 6, 2 and 4 tokens", [6, 2, 4], 6, (0, 1, 2)),
        ("2 sentences, more padding than the longer one needs", [3, 4], 7, (0, 1, 2)),
        ("3 sentences of one token, their <eos>", [1, 1, 1], 1, (0, 1, 2)),
        ("other ids: pad 11, bos 4, eos 9", [5, 3, 2, 5], 5, (11, 4, 9)),
    ]:
        pad, bos, eos = special
        yield Case(about, {"y": sentences(rng, lengths, 12, pad, eos, t), "bos": bos})


def not_shifted(y, bos):
    return y.clone()


def shifted_left(y, bos):
    return torch.cat([y[:, 1:], torch.full_like(y[:, :1], bos)], dim=1)


def rolled(y, bos):
    return y.roll(1, dims=1)


def bos_put_in_front(y, bos):
    return torch.cat([torch.full_like(y[:, :1], bos), y], dim=1)


def bos_written_over_the_first_word(y, bos):
    return torch.cat([torch.full_like(y[:, :1], bos), y[:, 1:]], dim=1)


def shifted_down_the_batch(y, bos):
    return torch.cat([torch.full_like(y[:1], bos), y[:-1]], dim=0)


SHIFT_RIGHT = Exercise(
    name="shift_right",
    assignment=ASSIGNMENT,
    section="s2s-teacher-forcing",
    points=1,
    difficulty=1,
    minutes=5,
    reference=seq2seq.shift_right,
    probe=probe.call,
    cases=shift_cases,
    mistakes=[
        Mistake(
            "not shifted: the decoder reads the word that it has to write",
            not_shifted,
            "Position j of your input is position j of the target. A network copies it and its loss goes to 0, and "
            "when it has to write by itself it can do nothing. What is known before word j is written?",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "shifted in the wrong direction",
            shifted_left,
            "Your position j holds the word that comes after y_j: the decoder would read the future. It has to read "
            "the word before.",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "rolled: the last token came round to the front",
            rolled,
            "roll puts the last column first. The first thing that the decoder reads is no word of the sentence at "
            "all, it is the same for every sentence.",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "one column too long",
            bos_put_in_front,
            "You have t + 1 columns, and the targets have t: nothing is left to predict after the last one. Which "
            "token of y is never read?",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "<bos> written over the first word",
            bos_written_over_the_first_word,
            "The other words stayed where they were, so the decoder still reads y_j at position j, and nothing ever "
            "reads the first word. Everything has to move by one.",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "shifted along the batch",
            shifted_down_the_batch,
            "Each sentence got the words of the one above it. Time is the second axis, [batch, t].",
            "s2s-teacher-forcing",
        ),
    ],
    alternatives=[
        lambda y, bos: torch.nn.functional.pad(y[:, :-1], (1, 0), value=bos),
        lambda y, bos: torch.tensor([[bos, *row[:-1]] for row in y.tolist()]),
        lambda y, bos: y.roll(1, dims=1).index_fill(1, torch.tensor([0]), bos),
    ],
    framework="torch",
)


# ---- masked_cross_entropy -------------------------------------------------------------------------------------------


def loss_cases(rng):
    yield Case(
        "the worked example",
        {"logits": np.array([[[0.0, 0.0], [5.0, 1.0]]]), "y": np.array([[1, 0]]), "pad": 0},
    )
    for about, lengths, vocabulary, pad, dtype, mean, scale in [
        ("2 sentences of 4 tokens, no padding", [4, 4], 5, 0, np.float64, 0, 1),
        ("3 sentences of 5, 1 and 3 tokens", [5, 1, 3], 7, 0, np.float32, 0, 1),
        ("one long sentence and three short ones", [8, 2, 1, 1], 4, 0, np.float64, 0, 1),
        ("pad is 3", [2, 6, 3], 6, 3, np.float64, 0, 1),
        ("logits in the hundreds, far apart", [3, 5], 5, 0, np.float32, 0, 300),
        ("logits in the hundreds, close together", [4, 2], 5, 0, np.float32, 200, 1),
    ]:
        y = sentences(rng, lengths, vocabulary, pad, 2)
        logits = (mean + scale * rng.normal(size=(*y.shape, vocabulary))).astype(dtype)
        yield Case(f"{about}, {np.dtype(dtype)}", {"logits": logits, "y": y, "pad": pad})


def _log_p(logits, y):
    return logits.log_softmax(-1).gather(-1, y[:, :, None])[:, :, 0]


def loss_with_padding(logits, y, pad):
    return -_log_p(logits, y).mean()


def loss_over_padded_length(logits, y, pad):
    return -_log_p(logits, y).masked_fill(y == pad, 0).mean()


def loss_per_sentence(logits, y, pad):
    real = y != pad
    return -(_log_p(logits, y).masked_fill(~real, 0).sum(1) / real.sum(1)).mean()


def loss_summed(logits, y, pad):
    return -_log_p(logits, y)[y != pad].sum()


def loss_over_sentences(logits, y, pad):
    return -_log_p(logits, y).masked_fill(y == pad, 0).sum() / len(y)


def loss_without_sign(logits, y, pad):
    return _log_p(logits, y)[y != pad].mean()


def loss_of_probabilities(logits, y, pad):
    return -_log_p(logits.softmax(-1), y)[y != pad].mean()


def loss_with_overflow(logits, y, pad):
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return -p.gather(-1, y[:, :, None])[:, :, 0][y != pad].log().mean()


def loss_with_log_of_zero(logits, y, pad):
    return -logits.softmax(-1).log().gather(-1, y[:, :, None])[:, :, 0][y != pad].mean()


def loss_with_softmax_over_time(logits, y, pad):
    return -logits.log_softmax(1).gather(-1, y[:, :, None])[:, :, 0][y != pad].mean()


def loss_of_raw_logits(logits, y, pad):
    return -logits.gather(-1, y[:, :, None])[:, :, 0][y != pad].mean()


def loss_with_pad_0(logits, y, pad):
    return -_log_p(logits, y)[y != 0].mean()


def loss_of_library(logits, y, pad):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=pad)


def loss_by_loops(logits, y, pad):
    terms = [
        torch.logsumexp(logits[i, j], 0) - logits[i, j, y[i, j]]
        for i in range(y.shape[0])
        for j in range(y.shape[1])
        if y[i, j] != pad
    ]
    return torch.stack(terms).mean()


MASKED_CROSS_ENTROPY = Exercise(
    name="masked_cross_entropy",
    assignment=ASSIGNMENT,
    section="s2s-loss",
    points=2,
    difficulty=2,
    minutes=15,
    reference=seq2seq.masked_cross_entropy,
    probe=probe.call_with_gradients,
    cases=loss_cases,
    mistakes=[
        Mistake(
            "PAD counted in the loss",
            loss_with_padding,
            "What stands at padding changes your loss. A network trained with it spends its effort on predicting "
            "<pad>, which it never has to write. Which of the t positions of a row are real?",
            "s2s-loss",
        ),
        Mistake(
            "averaged over the padded length",
            loss_over_padded_length,
            "You left padding out of the sum, but you divide by batch × t. The more padding a batch has, the smaller "
            "your loss. How many terms did you add up?",
            "s2s-loss",
        ),
        Mistake(
            "a mean of the sentences' means",
            loss_per_sentence,
            "In your loss a token of a short sentence weighs more than one of a long sentence. Here every real token "
            "of the batch has the same weight: one sum, one division.",
            "s2s-loss",
        ),
        Mistake(
            "summed, not averaged",
            loss_summed,
            "Your loss grows with the number of tokens, and so would the gradient. Divide by the number of real "
            "tokens.",
            "s2s-loss",
        ),
        Mistake(
            "averaged over sentences instead of tokens",
            loss_over_sentences,
            "You divide by the number of sentences. Then a batch of long sentences makes a larger step than one of "
            "short ones. Divide by the number of real tokens.",
            "s2s-loss",
        ),
        Mistake(
            "the sign forgotten",
            loss_without_sign,
            "A log-probability is at most 0, and minimising yours would make the right words unlikely.",
            "s2s-loss",
        ),
        Mistake(
            "softmax taken twice",
            loss_of_probabilities,
            "log_softmax (and F.cross_entropy) want logits and do the softmax themselves. You gave them probabilities.",
            "s2s-loss",
        ),
        Mistake(
            "softmax overflows",
            loss_with_overflow,
            "Right for small logits, but exp(300) is infinite in float32, and inf / inf is not a number. log_softmax "
            "subtracts the largest logit first.",
            "s2s-loss",
        ),
        Mistake(
            "the logarithm of a probability that was rounded to 0",
            loss_with_log_of_zero,
            "Right for small logits. With large ones softmax makes a probability too small for the computer, it becomes"
            " 0, and log 0 is infinite. log_softmax never makes the small number.",
            "s2s-loss",
        ),
        Mistake(
            "softmax over time instead of words",
            loss_with_softmax_over_time,
            "Your probabilities sum to 1 along t. At each position they must sum to 1 over the words, the last axis.",
            "s2s-loss",
        ),
        Mistake(
            "log-softmax forgotten",
            loss_of_raw_logits,
            "Adding 1 to all logits of a position changes your loss, though no probability has changed.",
            "s2s-loss",
        ),
        Mistake(
            "<pad> taken to be 0",
            loss_with_pad_0,
            "Right as long as pad is 0. The id of <pad> is an argument, and 0 can be a word.",
            "s2s-loss",
        ),
    ],
    alternatives=[loss_of_library, loss_by_loops],
    framework="torch",
)


# ---- decode_states --------------------------------------------------------------------------------------------------


def states_cases(rng):
    yield Case(
        "the worked example",
        {
            "c": np.array([[0.5]]),
            "y_embedded": np.array([[[1.0], [-1.0]]]),
            "W_y": np.array([[1.0]]),
            "W_c": np.array([[2.0]]),
            "W_s": np.array([[-1.0]]),
            "b": np.array([0.25]),
        },
    )
    for about, (batch, t, d_y, d), dtype in [
        ("one sentence of one word", (1, 1, 3, 2), np.float64),
        ("3 sentences of 4 words, states of 5 numbers", (3, 4, 2, 5), np.float32),
        ("2 sentences of 7 words, embeddings as wide as the states", (2, 7, 3, 3), np.float64),
    ]:
        yield Case(
            f"{about}, {np.dtype(dtype)}",
            {
                "c": rng.uniform(-1, 1, size=(batch, d)).astype(dtype),
                "y_embedded": rng.normal(size=(batch, t, d_y)).astype(dtype),
                "W_y": (0.7 * rng.normal(size=(d_y, d))).astype(dtype),
                "W_c": (0.7 * rng.normal(size=(d, d))).astype(dtype),
                "W_s": (0.7 * rng.normal(size=(d, d))).astype(dtype),
                "b": rng.normal(size=d).astype(dtype),
            },
        )


def states_from(s, c, y_embedded, W_y, W_c, W_s, b, code=lambda c, s, j: c, before=lambda c, s: s, squash=torch.tanh):
    """The reference's loop with places in it where something can go wrong."""
    S = []
    for j in range(y_embedded.shape[1]):
        s = squash(y_embedded[:, j] @ W_y + code(c, s, j) @ W_c + before(c, s) @ W_s + b)
        S.append(s)
    return torch.stack(S, dim=1)


def states_not_carried(c, y_embedded, W_y, W_c, W_s, b):
    return states_from(c, c, y_embedded, W_y, W_c, W_s, b, before=lambda c, s: c)


def states_from_zero(c, y_embedded, W_y, W_c, W_s, b):
    return states_from(torch.zeros_like(c), c, y_embedded, W_y, W_c, W_s, b)


def states_without_code(c, y_embedded, W_y, W_c, W_s, b):
    return states_from(c, c, y_embedded, W_y, W_c, W_s, b, code=lambda c, s, j: torch.zeros_like(c))


def states_with_code_once(c, y_embedded, W_y, W_c, W_s, b):
    return states_from(c, c, y_embedded, W_y, W_c, W_s, b, code=lambda c, s, j: c if j == 0 else torch.zeros_like(c))


def states_with_code_overwritten(c, y_embedded, W_y, W_c, W_s, b):
    return states_from(c, c, y_embedded, W_y, W_c, W_s, b, code=lambda c, s, j: s)


def states_without_tanh(c, y_embedded, W_y, W_c, W_s, b):
    return states_from(c, c, y_embedded, W_y, W_c, W_s, b, squash=lambda a: a)


def states_with_detached_code(c, y_embedded, W_y, W_c, W_s, b):
    return seq2seq.decode_states(c.detach(), y_embedded, W_y, W_c, W_s, b)


def states_with_matrices_exchanged(c, y_embedded, W_y, W_c, W_s, b):
    return seq2seq.decode_states(c, y_embedded, W_y, W_s, W_c, b)


def states_one_step_late(c, y_embedded, W_y, W_c, W_s, b):
    s, S = c, []
    for e in y_embedded.unbind(1):
        S.append(s)
        s = torch.tanh(e @ W_y + c @ W_c + s @ W_s + b)
    return torch.stack(S, dim=1)


def states_without_bias(c, y_embedded, W_y, W_c, W_s, b):
    return seq2seq.decode_states(c, y_embedded, W_y, W_c, W_s, torch.zeros_like(b))


def states_by_library(c, y_embedded, W_y, W_c, W_s, b):
    net = torch.nn.RNN(len(W_y) + len(W_c), len(W_s), batch_first=True)
    x = torch.cat([y_embedded, c[:, None, :].expand(-1, y_embedded.shape[1], -1)], -1)
    parameters = {
        "weight_ih_l0": torch.cat([W_y, W_c]).T,
        "weight_hh_l0": W_s.T,
        "bias_ih_l0": b,
        "bias_hh_l0": torch.zeros_like(b),
    }
    return torch.func.functional_call(net, parameters, (x, c[None]))[0]


def states_in_one_product(c, y_embedded, W_y, W_c, W_s, b):
    fixed = y_embedded @ W_y + (c @ W_c + b)[:, None, :]
    S = [c]
    for a in fixed.unbind(1):
        S.append(torch.tanh(a + S[-1] @ W_s))
    return torch.stack(S[1:], 1)


DECODE_STATES = Exercise(
    name="decode_states",
    assignment=ASSIGNMENT,
    section="s2s-model",
    points=2,
    difficulty=2,
    minutes=15,
    reference=seq2seq.decode_states,
    probe=probe.call_with_gradients,
    cases=states_cases,
    mistakes=[
        Mistake(
            "hidden state not carried between steps",
            states_not_carried,
            "Your state at step j doesn't depend on the words before y_j-1. The state that a step makes is what the "
            "next step starts from.",
            "s2s-model",
        ),
        Mistake(
            "starts from zeros instead of the code",
            states_from_zero,
            "The first state should be s_0 = c. Yours starts at 0, as an encoder does.",
            "s2s-model",
        ),
        Mistake(
            "the code is not fed in",
            states_without_code,
            "W_c has no influence on your result: c only sets the first state and fades from there. Every step reads "
            "c.",
            "s2s-model",
        ),
        Mistake(
            "the code is fed in at the first step only",
            states_with_code_once,
            "From the second step on, your states no longer depend on W_c directly. c W_c is added at every step.",
            "s2s-model",
        ),
        Mistake(
            "the code overwritten by the state",
            states_with_code_overwritten,
            "From the second step on you multiply W_c by the running state. Does one name stand for both c and s? c "
            "stays what the encoder made.",
            "s2s-model",
        ),
        Mistake(
            "tanh forgotten",
            states_without_tanh,
            "Your states leave the interval from -1 to 1. The sum goes through a tanh at every step.",
            "s2s-idea",
        ),
        Mistake(
            "W_c and W_s exchanged",
            states_with_matrices_exchanged,
            "Your first state is right, but only because s_0 = c. Which of the two matrices belongs to what changes "
            "from step to step?",
            "s2s-idea",
        ),
        Mistake(
            "each state stored one step late",
            states_one_step_late,
            "Your first column is c itself, which is s_0. The results are s_1 to s_t: update first, then store.",
            "s2s-idea",
        ),
        Mistake(
            "bias forgotten",
            states_without_bias,
            "Your result does not depend on b.",
            "s2s-idea",
        ),
        Mistake(
            "the code cut off from the gradient",
            states_with_detached_code,
            "The numbers are right, but no gradient reaches c, so the encoder would never learn. Is there a detach, a "
            ".data or a torch.tensor(c) on the way?",
            "s2s-model",
        ),
    ],
    alternatives=[states_by_library, states_in_one_product],
    framework="torch",
)


# ---- decoding: the model is a table ---------------------------------------------------------------------------------


def decode_with_table(candidate, table, follow, state, **inputs):
    """Call a decoder with a model that looks everything up: ``step(y, state)`` gives table[state, y], follow[state, y].

    table: [states, V, V]; follow: [states, V], int64. For a batch, y and state are int64 tensors [batch]; for a single
    sentence they are ints. So a state that isn't carried, or belongs to another hypothesis, shows in the result.
    """

    def step(y, state):
        if isinstance(state, int):
            if isinstance(y, torch.Tensor) and y.ndim:
                raise TypeError(f"step wants one word, an int; it got a tensor of shape {tuple(y.shape)}")
            return table[state, int(y)].clone(), int(follow[state, int(y)])
        if not isinstance(y, torch.Tensor) or y.shape != state.shape or y.dtype != torch.int64:
            got = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, torch.Tensor) else type(y).__name__
            raise TypeError(f"step wants y as an int64 tensor of shape {tuple(state.shape)}; it got {got}")
        return table[state, y], follow[state, y]

    return probe.parts(candidate(step, state, **inputs))


def table_model(rng, states, vocabulary, eos, urge, scale=2.0):
    """A random model for `decode_with_table`: logits, <eos> made likelier by ``urge``, and where each word leads."""
    logits = scale * rng.normal(size=(states, vocabulary, vocabulary))
    logits[:, :, eos] += urge
    return logits, rng.integers(states, size=(states, vocabulary))


# ---- greedy_decode --------------------------------------------------------------------------------------------------


def greedy_cases(rng):
    # A walk through one state: 1 -> 4 -> 3 -> 2 (<eos>) for the first sentence; the second starts in a state that ends.
    logits, follow = np.zeros((2, 5, 5)), np.zeros((2, 5), dtype=np.int64)
    for y, following in [(1, 4), (4, 3), (3, 2), (0, 4), (2, 4)]:
        logits[0, y, following] = 3.0
    logits[1, :, 2], follow[1] = 3.0, 1
    shared = {"max_length": 5, "bos": 1, "eos": 2, "pad": 0}
    yield Case(
        "the worked example",
        {"table": logits, "follow": follow, "state": np.array([0, 1]), "batch": 2, **shared},
    )
    for about, batch, vocabulary, most, urge, (pad, bos, eos), dtype in [
        ("one sentence", 1, 6, 8, 1.0, (0, 1, 2), np.float64),
        ("5 sentences of different lengths", 5, 7, 12, 1.5, (0, 1, 2), np.float32),
        ("4 sentences, <eos> is rare and the limit is 6 words", 4, 6, 6, -1.0, (0, 1, 2), np.float64),
        ("6 sentences, other ids: pad 5, bos 0, eos 3", 6, 7, 10, 1.5, (5, 0, 3), np.float64),
        ("3 sentences, <eos> never comes", 3, 5, 4, -99.0, (0, 1, 2), np.float64),
    ]:
        table, follow = table_model(rng, 4, vocabulary, eos, urge)
        table[:, :, [pad, bos]] -= 50  # no trained model writes these
        yield Case(
            f"{about}, {np.dtype(dtype)}",
            {
                "table": table.astype(dtype),
                "follow": follow,
                "state": rng.integers(4, size=batch),
                "batch": batch,
                "max_length": most,
                "bos": bos,
                "eos": eos,
                "pad": pad,
            },
        )


def greedy_from(
    step, state, batch, max_length, first, eos, pad, carry=True, feed=True, mask=True, stop=torch.all, keep_eos=True
):
    """The reference's loop with places in it where something can go wrong."""
    y = torch.full((batch,), first)
    start, start_y, ended, written = state, y, torch.zeros(batch, dtype=torch.bool), []
    while len(written) < max_length and not stop(ended):
        logits, state = step(y if feed else start_y, state if carry else start)
        y = logits.argmax(-1)
        y = y.masked_fill(ended, pad) if mask else y
        ended = ended | (y == eos)
        written.append(y if keep_eos else y.masked_fill(y == eos, pad))
    return torch.stack(written, dim=1)


def greedy_writes_on(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, bos, eos, pad, mask=False)


def greedy_without_state(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, bos, eos, pad, carry=False)


def greedy_without_feeding(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, bos, eos, pad, feed=False)


def greedy_from_pad(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, pad, eos, pad)


def greedy_stops_early(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, bos, eos, pad, stop=torch.any)


def greedy_drops_eos(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, bos, eos, pad, keep_eos=False)


def greedy_keeps_bos(step, state, batch, max_length, bos, eos, pad):
    written = greedy_from(step, state, batch, max_length, bos, eos, pad)
    return torch.cat([torch.full((batch, 1), bos), written], dim=1)


def greedy_never_stops(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, bos, eos, pad, stop=lambda ended: False)


def greedy_fills_with_eos(step, state, batch, max_length, bos, eos, pad):
    return greedy_from(step, state, batch, max_length, bos, eos, eos)


def greedy_row_by_row(step, state, batch, max_length, bos, eos, pad):
    y, steps = torch.full((batch,), bos), []
    for _ in range(max_length):
        logits, state = step(y, state)
        y = logits.softmax(-1).max(-1).indices
        steps.append(y)
    rows = [row[: row.index(eos) + 1] if eos in row else row for row in torch.stack(steps, 1).tolist()]
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows])


GREEDY_DECODE = Exercise(
    name="greedy_decode",
    assignment=ASSIGNMENT,
    section="s2s-greedy",
    points=2,
    difficulty=3,
    minutes=20,
    reference=seq2seq.greedy_decode,
    probe=decode_with_table,
    cases=greedy_cases,
    mistakes=[
        Mistake(
            "goes on writing after <eos>",
            greedy_writes_on,
            "A sentence that has ended is still being written while others go on. Remember for each row whether it "
            "has ended, and fill it with pad from then on.",
            "s2s-greedy",
        ),
        Mistake(
            "hidden state not carried between steps",
            greedy_without_state,
            "You give every step the state that the first one was given. step returns a new state: hand it to the "
            "next.",
            "s2s-greedy",
        ),
        Mistake(
            "the written word is not fed back",
            greedy_without_feeding,
            "Every step of yours reads <bos>. After the first, a step reads the word just written.",
            "s2s-greedy",
        ),
        Mistake(
            "does not start from <bos>",
            greedy_from_pad,
            "Your first step reads pad. What did the decoder read first when it was trained?",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "stops when the first sentence ends",
            greedy_stops_early,
            "As soon as one sentence of the batch has ended, all others are cut off. Stop when all have ended.",
            "s2s-greedy",
        ),
        Mistake(
            "<eos> left out of the result",
            greedy_drops_eos,
            "Your rows lack their <eos>. It is a word like any other: the model chose to write it.",
            "s2s-greedy",
        ),
        Mistake(
            "<bos> in the result",
            greedy_keeps_bos,
            "Your rows begin with <bos>. The model reads it and never writes it.",
            "s2s-greedy",
        ),
        Mistake(
            "filled up with <eos> instead of <pad>",
            greedy_fills_with_eos,
            "A row has one <eos>, where the sentence ends. Behind it stands pad.",
            "s2s-greedy",
        ),
        Mistake(
            "always writes max_length columns",
            greedy_never_stops,
            "Your result has columns that hold nothing but pad. Stop once every sentence has ended.",
            "s2s-greedy",
        ),
    ],
    alternatives=[greedy_row_by_row],
    framework="torch",
)


# ---- beam_search ----------------------------------------------------------------------------------------------------


def beam_cases(rng):
    # After <bos>: 3 (-0.5) or 4 (-0.9). After 3 the model hesitates between 5, 4 and <eos>; after 4 it is sure.
    log_p = np.full((1, 6, 6), -9.0)
    log_p[0, 1, [3, 4]] = -0.5, -0.9
    log_p[0, 3, [5, 4, 2]] = -1.0, -1.1, -1.2
    log_p[0, [4, 5], 2] = -0.1
    worked = {"table": log_p, "follow": np.zeros((1, 6), dtype=np.int64), "state": 0, "max_length": 4}
    yield Case("the worked example", {**worked, "width": 2, "bos": 1, "eos": 2})
    yield Case("the worked example with width 1, which is greedy", {**worked, "width": 1, "bos": 1, "eos": 2})
    # <eos> at once (-1.2) is among the best two in the first round, but three words that are nearly sure beat it.
    early = np.full((1, 6, 6), -9.0)
    early[0, 1, [3, 2, 4]] = -0.4, -1.2, -3.0
    early[0, 3, [4, 5]] = -0.1, -3.0
    early[0, 4, [2, 5]] = -0.1, -3.0
    yield Case(
        "a short sentence ends first and is not the best", {**worked, "table": early, "width": 2, "bos": 1, "eos": 2}
    )
    # Both of the best two after two rounds begin with 3, and it is the second of them that ends well.
    same = np.full((1, 7, 7), -9.0)
    same[0, 1, [3, 4]] = -0.2, -2.0
    same[0, 3, [5, 6]] = -0.5, -0.9
    same[0, [4, 5], 2] = -3.0
    same[0, 6, 2] = -0.1
    wider = {**worked, "table": same, "follow": np.zeros((1, 7), dtype=np.int64)}
    yield Case("two hypotheses with the same beginning", {**wider, "width": 2, "bos": 1, "eos": 2})
    # <eos> at once (-1.5), or 3; then 4 and 5 are nearly level, and it is 5, the second, that ends well.
    full = np.full((1, 6, 6), -9.0)
    full[0, 1, [3, 2]] = -0.2, -1.5
    full[0, 3, [4, 5]] = -0.5, -0.6
    full[0, [4, 5], 2] = -2.0, -0.1
    again = {**worked, "table": full, "width": 2, "bos": 1, "eos": 2}
    yield Case("one sentence has ended, and the beam is full again", again)
    yield Case("the limit comes while the likelier ones are unfinished", {**again, "max_length": 2})
    # Two short sentences end (-1.5, -1.9) before a likelier one does (-0.8).
    late = np.full((1, 6, 6), -9.0)
    late[0, 1, [3, 2]] = -0.2, -1.5
    late[0, 3, [4, 2]] = -0.5, -1.7
    late[0, 4, 2] = -0.1
    yield Case("as many sentences have ended as the beam is wide", {**again, "table": late})
    # After two rounds both places go to the heirs of 4, which end badly; [3, 5] is third and would have ended well.
    crowded = np.full((1, 8, 8), -9.0)
    crowded[0, 1, [3, 4]] = -0.6, -0.8
    crowded[0, 3, 5] = -1.0
    crowded[0, 4, [6, 7]] = -0.7, -0.75
    crowded[0, [5, 6, 7], 2] = -0.1, -1.5, -1.4
    wider = {**again, "table": crowded, "follow": np.zeros((1, 8), dtype=np.int64)}
    yield Case("the best sentence is crowded out of the beam", wider)
    for about, width, vocabulary, most, urge, (bos, eos), dtype in [
        ("a beam of width 3", 3, 6, 8, 0.5, (1, 2), np.float64),
        ("a beam of width 4, <eos> is rare", 4, 7, 9, -1.0, (1, 2), np.float32),
        ("a beam of width 2, a long limit", 2, 5, 14, -0.5, (1, 2), np.float64),
        ("a beam of width 3, bos 4 and eos 0", 3, 6, 7, 0.0, (4, 0), np.float64),
        ("a beam of width 9, more than the vocabulary has", 9, 5, 6, 0.0, (1, 2), np.float64),
        ("a beam of width 3, <eos> never comes", 3, 5, 4, -99.0, (1, 2), np.float32),
    ]:
        logits, follow = table_model(rng, 4, vocabulary, eos, urge, scale=1.0)
        table = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        inputs = {"table": table.astype(dtype), "follow": follow, "state": int(rng.integers(4)), "width": width}
        yield Case(f"{about}, {np.dtype(dtype)}", inputs | {"max_length": most, "bos": bos, "eos": eos})


def beam_from(step, state, width, max_length, bos, eos, prune=None, score=lambda log_p, more: log_p + more, pick=max):
    """The reference's loop with places in it where something can go wrong. ``prune`` chooses the next beam."""
    prune = prune or (lambda groups: sorted(chain(*groups), key=lambda h: -h[1])[:width])
    beam, finished = [([], 0.0, bos, state)], []
    for _ in range(max_length):
        groups = []
        for words, log_p, last, before in beam:
            log_probabilities, after = step(last, before)
            options = enumerate(log_probabilities.tolist())
            groups.append([([*words, word], score(log_p, more), word, after) for word, more in options])
        kept = prune(groups)
        finished += [h for h in kept if h[2] == eos]
        beam = [h for h in kept if h[2] != eos]
        if not beam:
            break
    words, log_p, *_ = pick(finished or beam, key=lambda h: h[1])
    return words, log_p


def beam_is_greedy(step, state, width, max_length, bos, eos):
    return seq2seq.beam_search(step, state, 1, max_length, bos, eos)


def beam_pruned_apart(step, state, width, max_length, bos, eos):
    def prune(groups):
        if len(groups) == 1:
            return sorted(groups[0], key=lambda h: -h[1])[:width]
        return [max(group, key=lambda h: h[1]) for group in groups]

    return beam_from(step, state, width, max_length, bos, eos, prune)


def beam_stops_at_first_end(step, state, width, max_length, bos, eos):
    return beam_from(step, state, width, max_length, bos, eos, pick=lambda found, key: found[0])


def beam_scores_last_word(step, state, width, max_length, bos, eos):
    return beam_from(step, state, width, max_length, bos, eos, score=lambda log_p, more: more)


def beam_of_probabilities(step, state, width, max_length, bos, eos):
    return beam_from(step, state, width, max_length, bos, eos, score=lambda log_p, more: log_p + np.exp(more))


def beam_shares_one_state(step, state, width, max_length, bos, eos):
    latest = [state]

    def careless(word, _):
        log_probabilities, latest[0] = step(word, latest[0])
        return log_probabilities, None

    return beam_from(careless, None, width, max_length, bos, eos)


def beam_writes_on(step, state, width, max_length, bos, eos):
    words, log_p = beam_from(step, state, width, max_length, bos, -1)
    return words[: words.index(eos) + 1] if eos in words else words, log_p


def beam_with_mean(step, state, width, max_length, bos, eos):
    def pick(found, key):
        return max(found, key=lambda h: h[1] / len(h[0]))

    return beam_from(step, state, width, max_length, bos, eos, pick=pick)


def beam_that_drops_nothing(step, state, width, max_length, bos, eos):
    def prune(groups):
        heirs = chain(*(sorted(group, key=lambda h: -h[1])[:width] for group in groups))
        return sorted(heirs, key=lambda h: -h[1])[: 20 * width]  # the rest has no chance, and would take long

    return beam_from(step, state, width, max_length, bos, eos, prune)


def beam_that_shrinks(step, state, width, max_length, bos, eos):
    left = [width]

    def prune(groups):
        kept = sorted(chain(*groups), key=lambda h: -h[1])[: left[0]]
        left[0] -= sum(h[2] == eos for h in kept)
        return kept

    return beam_from(step, state, width, max_length, bos, eos, prune)


def beam_stops_when_width_have_ended(step, state, width, max_length, bos, eos):
    ended = []

    def prune(groups):
        kept = sorted(chain(*groups), key=lambda h: -h[1])[:width]
        ended.extend(h for h in kept if h[2] == eos)
        return ended if len(ended) >= width else kept

    return beam_from(step, state, width, max_length, bos, eos, prune)


def beam_of_all_at_the_end(step, state, width, max_length, bos, eos):
    best = []

    def prune(groups):
        kept = sorted(chain(*groups), key=lambda h: -h[1])[:width]
        best[:] = [h for h in best if h[2] == eos] + kept  # what has ended, and what is alive
        return kept

    beam_from(step, state, width, max_length, bos, eos, prune)
    return max(best, key=lambda h: h[1])[:2]


def beam_with_old_states(step, state, width, max_length, bos, eos):
    beam, finished = [([], 0.0, bos, state)], []
    for _ in range(max_length):
        groups = [
            ([*words, word], log_p + more, word, before)
            for words, log_p, last, before in beam
            for word, more in enumerate(step(last, before)[0].tolist())
        ]
        kept = sorted(groups, key=lambda h: -h[1])[:width]
        finished += [h for h in kept if h[2] == eos]
        beam = [h for h in kept if h[2] != eos]
        if not beam:
            break
    return max(finished or beam, key=lambda h: h[1])[:2]


def beam_keeps_bos(step, state, width, max_length, bos, eos):
    words, log_p = seq2seq.beam_search(step, state, width, max_length, bos, eos)
    return [bos, *words], log_p


def beam_drops_eos(step, state, width, max_length, bos, eos):
    words, log_p = seq2seq.beam_search(step, state, width, max_length, bos, eos)
    return [word for word in words if word != eos], log_p


def beam_refilled(step, state, width, max_length, bos, eos):
    """The places of ended hypotheses go to the next best. Those can't beat what ended, so the answer is the same."""

    def prune(groups):
        best = sorted(chain(*groups), key=lambda h: -h[1])
        return [h for h in best[:width] if h[2] == eos] + [h for h in best if h[2] != eos][:width]

    return beam_from(step, state, width, max_length, bos, eos, prune)


def beam_in_arrays(step, state, width, max_length, bos, eos):
    beam, best = {(): (0.0, state)}, None
    for _ in range(max_length):
        scores = {}
        for words, (log_p, before) in beam.items():
            table, after = step(words[-1] if words else bos, before)
            scores |= {(*words, word): (log_p + float(more), after) for word, more in enumerate(table)}
        top = dict(sorted(scores.items(), key=lambda item: item[1][0], reverse=True)[:width])
        ended = {words: s for words, (s, _) in top.items() if words[-1] == eos}
        best = max([*ended.items(), *([best] if best else [])], key=lambda item: item[1], default=None)
        beam = {words: s for words, s in top.items() if words[-1] != eos} or None
        if not beam:
            break
    if best is None:
        best = max(((words, s) for words, (s, _) in beam.items()), key=lambda item: item[1])
    return list(best[0]), best[1]


BEAM_SEARCH = Exercise(
    name="beam_search",
    assignment=ASSIGNMENT,
    section="s2s-beam",
    points=3,
    difficulty=4,
    minutes=35,
    reference=seq2seq.beam_search,
    probe=decode_with_table,
    cases=beam_cases,
    mistakes=[
        Mistake(
            "greedy: the width has no effect",
            beam_is_greedy,
            "Your answer is that of width 1. Do several hypotheses really live on after the first round?",
            "s2s-beam",
        ),
        Mistake(
            "each hypothesis keeps its own best word",
            beam_pruned_apart,
            "After the first round, each hypothesis of yours has exactly one heir, so they never compete. Put the "
            "extensions of all hypotheses into one list and keep the best of that list.",
            "s2s-beam",
        ),
        Mistake(
            "takes the first sentence that ends",
            beam_stops_at_first_end,
            "The first finished hypothesis is not always the likeliest. Set it aside, and go on while others are "
            "alive.",
            "s2s-beam",
        ),
        Mistake(
            "only the last word's log-probability counts",
            beam_scores_last_word,
            "A hypothesis is as likely as all of its words together: each round adds a log-probability to the sum so "
            "far.",
            "s2s-beam",
        ),
        Mistake(
            "probabilities added up",
            beam_of_probabilities,
            "Probabilities multiply; it is their logarithms that add. step already returns logarithms.",
            "s2s-beam",
        ),
        Mistake(
            "one state shared by all hypotheses",
            beam_shares_one_state,
            "Each hypothesis has to go on from the state after its own words. Yours go on from whatever state was "
            "computed last. Keep the state with the hypothesis.",
            "s2s-beam",
        ),
        Mistake(
            "goes on after <eos>",
            beam_writes_on,
            "A hypothesis that has written <eos> is finished: it must not be extended, nor its log-probability "
            "changed.",
            "s2s-beam",
        ),
        Mistake(
            "more than width hypotheses kept",
            beam_that_drops_nothing,
            "Your sentence is likelier than one that a beam this narrow can find. After each round only width "
            "hypotheses are left, counted over all beginnings together.",
            "s2s-beam",
        ),
        Mistake(
            "the beam shrinks with each finished hypothesis",
            beam_that_shrinks,
            "Once a sentence has ended, you keep fewer in all later rounds. Every round keeps the best width of its "
            "extensions, whatever has ended before.",
            "s2s-beam",
        ),
        Mistake(
            "stops when width hypotheses have ended",
            beam_stops_when_width_have_ended,
            "You stop while a hypothesis is alive that is likelier than all that have ended. Go on until none is left.",
            "s2s-beam",
        ),
        Mistake(
            "an unfinished hypothesis chosen",
            beam_of_all_at_the_end,
            "Your answer has no <eos>, though another hypothesis has ended. An unfinished one counts only if there is "
            "no finished one.",
            "s2s-beam",
        ),
        Mistake(
            "the state from before the word was read",
            beam_with_old_states,
            "Your hypotheses hand on the state that step was given. The next step needs the one that it returned.",
            "s2s-beam",
        ),
        Mistake(
            "<bos> in the result",
            beam_keeps_bos,
            "Your words begin with <bos>. The model reads it and never writes it.",
            "s2s-beam",
        ),
        Mistake(
            "<eos> left out of the result",
            beam_drops_eos,
            "Your words lack their <eos>. It is a word like any other: the model chose to write it, and its "
            "log-probability is in your sum.",
            "s2s-beam",
        ),
        Mistake(
            "chosen by the mean log-probability",
            beam_with_mean,
            "You divided by the length to choose among finished sentences. That is length normalisation, and a good "
            "idea at times; here the likeliest sentence is wanted.",
            "s2s-beam-length",
        ),
    ],
    alternatives=[beam_in_arrays, beam_refilled],
    framework="torch",
    tolerance=Tolerance(reason="sums of a few log-probabilities; the words must agree exactly"),
)


# ---- scheduled_inputs -----------------------------------------------------------------------------------------------


def scheduled_cases(rng):
    yield Case(
        "the worked example",
        {
            "y": np.array([[7, 8, 9, 2]]),
            "predicted": np.array([[5, 6, 9, 2]]),
            "keep": np.array([[True, False, True, True]]),
            "bos": 1,
        },
    )
    for about, batch, t, rate, bos in [
        ("every word kept: plain teacher forcing", 2, 5, 1.0, 1),
        ("no word kept", 3, 4, 0.0, 1),
        ("4 sentences, half of the words kept", 4, 6, 0.5, 1),
        ("3 sentences, most words kept, bos 9", 3, 8, 0.7, 9),
        ("sentences of one word", 5, 1, 0.5, 1),
    ]:
        y, predicted = rng.integers(10, 20, size=(batch, t)), rng.integers(20, 30, size=(batch, t))
        yield Case(about, {"y": y, "predicted": predicted, "keep": rng.random((batch, t)) < rate, "bos": bos})


def scheduled_inverted(y, predicted, keep, bos):
    return seq2seq.scheduled_inputs(y, predicted, ~keep, bos)


def scheduled_mixed_after_shift(y, predicted, keep, bos):
    return torch.where(keep, seq2seq.shift_right(y, bos), seq2seq.shift_right(predicted, bos))


def scheduled_unshifted_predictions(y, predicted, keep, bos):
    mixed = torch.where(keep, seq2seq.shift_right(y, bos), predicted)
    return torch.cat([torch.full_like(y[:, :1], bos), mixed[:, 1:]], dim=1)


def scheduled_not_shifted(y, predicted, keep, bos):
    return torch.where(keep, y, predicted)


def scheduled_predictions_in_their_place(y, predicted, keep, bos):
    return torch.where(keep, seq2seq.shift_right(y, bos), predicted)


def scheduled_bos_written_over(y, predicted, keep, bos):
    mixed = torch.where(keep, y, predicted)
    return torch.cat([torch.full_like(y[:, :1], bos), mixed[:, 1:]], dim=1)


def scheduled_whole_rows(y, predicted, keep, bos):
    return seq2seq.shift_right(torch.where(keep[:, :1], y, predicted), bos)


def scheduled_once_wrong_always_wrong(y, predicted, keep, bos):
    return seq2seq.shift_right(torch.where(keep.cummin(dim=1).values, y, predicted), bos)


SCHEDULED_INPUTS = Exercise(
    name="scheduled_inputs",
    assignment=ASSIGNMENT,
    section="s2s-exposure",
    points=1,
    difficulty=3,
    minutes=15,
    reference=seq2seq.scheduled_inputs,
    probe=probe.call,
    cases=scheduled_cases,
    mistakes=[
        Mistake(
            "keep inverted",
            scheduled_inverted,
            "Where keep is True the true word is read. With keep all True your function should give plain teacher "
            "forcing.",
            "s2s-exposure",
        ),
        Mistake(
            "keep off by one",
            scheduled_mixed_after_shift,
            "keep[:, j-1] speaks about the word at j-1, which is read at position j. You mixed after the shift, so "
            "each decision fell on the neighbour. What is mixed first moves together.",
            "s2s-exposure",
        ),
        Mistake(
            "the model's words not shifted",
            scheduled_unshifted_predictions,
            "Position j reads predicted[:, j], which is the model's guess for the very word it has to write now. It "
            "should read the guess for the word before.",
            "s2s-exposure",
        ),
        Mistake(
            "not shifted at all",
            scheduled_not_shifted,
            "Your first position reads the first word of the sentence. The decoder's first input is always bos.",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "the model's words not shifted, not even behind <bos>",
            scheduled_predictions_in_their_place,
            "Where keep is False you read predicted[:, j], the guess for the very word that is to be written now. At "
            "the first position it even takes the place of bos. Mix y and predicted first, then shift the mixture.",
            "s2s-exposure",
        ),
        Mistake(
            "<bos> written over the first word",
            scheduled_bos_written_over,
            "The other words stayed where they were, so the decoder reads word j where it has to write it. Everything "
            "has to move by one.",
            "s2s-teacher-forcing",
        ),
        Mistake(
            "one decision for the whole sentence",
            scheduled_whole_rows,
            "Each word has a decision of its own: keep is [batch, t]. You used its first column only.",
            "s2s-exposure",
        ),
        Mistake(
            "once the model's words, always the model's words",
            scheduled_once_wrong_always_wrong,
            "After the first word that is not kept, you never go back to the true sentence. keep decides at each word.",
            "s2s-exposure",
        ),
    ],
    alternatives=[
        lambda y, predicted, keep, bos: torch.nn.functional.pad(
            (y * keep + predicted * ~keep)[:, :-1], (1, 0), value=bos
        ),
        lambda y, predicted, keep, bos: torch.tensor(
            [
                [bos, *(a if k else p for a, p, k in zip(*row, strict=True))][:-1]
                for row in zip(y.tolist(), predicted.tolist(), keep.tolist(), strict=True)
            ]
        ),
    ],
    framework="torch",
)


# ---- sentence_scores ------------------------------------------------------------------------------------------------


def score_cases(rng):
    yield Case(
        "the worked example",
        {"logits": np.zeros((1, 3, 2)), "y": np.array([[1, 1, 0]]), "alpha": 1.0, "pad": 0},
    )
    for about, lengths, vocabulary, pad, alpha, dtype in [
        ("alpha 0: the plain sum", [4, 2, 3], 5, 0, 0.0, np.float64),
        ("alpha 1: the mean", [1, 6, 3], 6, 0, 1.0, np.float32),
        ("alpha 0.6", [5, 5, 2, 7], 7, 0, 0.6, np.float64),
        ("alpha 0.6, pad is 4", [3, 6], 6, 4, 0.6, np.float64),
    ]:
        y = sentences(rng, lengths, vocabulary, pad, 2)
        logits = rng.normal(size=(*y.shape, vocabulary)).astype(dtype)
        yield Case(f"{about}, {np.dtype(dtype)}", {"logits": logits, "y": y, "alpha": alpha, "pad": pad})


def scores_with_padding(logits, y, alpha, pad):
    return _log_p(logits, y).sum(1) / (y != pad).sum(1) ** alpha


def scores_by_padded_length(logits, y, alpha, pad):
    return _log_p(logits, y).masked_fill(y == pad, 0).sum(1) / y.shape[1] ** alpha


def scores_without_alpha(logits, y, alpha, pad):
    return _log_p(logits, y).masked_fill(y == pad, 0).sum(1) / (y != pad).sum(1)


def scores_times_length(logits, y, alpha, pad):
    return _log_p(logits, y).masked_fill(y == pad, 0).sum(1) * (y != pad).sum(1) ** alpha


def scores_alpha_times_length(logits, y, alpha, pad):
    return _log_p(logits, y).masked_fill(y == pad, 0).sum(1) / (alpha * (y != pad).sum(1)).clamp(min=1)


def scores_of_raw_logits(logits, y, alpha, pad):
    chosen = logits.gather(-1, y[:, :, None])[:, :, 0]
    return chosen.masked_fill(y == pad, 0).sum(1) / (y != pad).sum(1) ** alpha


def scores_of_the_batch(logits, y, alpha, pad):
    real = y != pad
    return _log_p(logits, y).masked_fill(~real, 0).sum() / real.sum() ** alpha


def scores_without_sign(logits, y, alpha, pad):
    return -seq2seq.sentence_scores(logits, y, alpha, pad)


def scores_with_pad_0(logits, y, alpha, pad):
    real = y != 0
    return _log_p(logits, y).masked_fill(~real, 0).sum(1) / real.sum(1) ** alpha


def scores_by_library(logits, y, alpha, pad):
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), y, ignore_index=pad, reduction="none")
    return -losses.sum(1) / (y != pad).sum(1) ** alpha


def scores_by_loops(logits, y, alpha, pad):
    scores = []
    for row, words in zip(logits.log_softmax(-1), y.tolist(), strict=True):
        terms = [row[j, word] for j, word in enumerate(words) if word != pad]
        scores.append(sum(terms) / len(terms) ** alpha)
    return torch.stack(scores)


SENTENCE_SCORES = Exercise(
    name="sentence_scores",
    assignment=ASSIGNMENT,
    section="s2s-beam-length",
    points=2,
    difficulty=2,
    minutes=15,
    reference=seq2seq.sentence_scores,
    probe=probe.call_with_gradients,
    cases=score_cases,
    mistakes=[
        Mistake(
            "PAD counted in the sum",
            scores_with_padding,
            "The log-probabilities at padding are in your sums. A short sentence in a wide batch looks unlikely for "
            "no reason of its own.",
            "s2s-beam-length",
        ),
        Mistake(
            "divided by the padded length",
            scores_by_padded_length,
            "You divide every sentence by the same number, the width of the batch, so nothing is normalised. Each has "
            "a length of its own.",
            "s2s-beam-length",
        ),
        Mistake(
            "alpha ignored",
            scores_without_alpha,
            "You always take the mean. With alpha 0 the plain sum is wanted: the length to the power alpha is then 1.",
            "s2s-beam-length",
        ),
        Mistake(
            "multiplied by the length",
            scores_times_length,
            "Your longer sentences score lower still. The sum is divided by the length to the power alpha.",
            "s2s-beam-length",
        ),
        Mistake(
            "divided by alpha times the length",
            scores_alpha_times_length,
            "alpha is an exponent here, n ** alpha, not a factor.",
            "s2s-beam-length",
        ),
        Mistake(
            "log-softmax forgotten",
            scores_of_raw_logits,
            "Adding 1 to all logits of a position changes your score, though no probability has changed.",
            "s2s-loss",
        ),
        Mistake(
            "the sign turned",
            scores_without_sign,
            "A log-probability is at most 0, and so is the score: the likeliest sentence has the largest. It is no "
            "loss.",
            "s2s-beam-length",
        ),
        Mistake(
            "<pad> taken to be 0",
            scores_with_pad_0,
            "Right as long as pad is 0. The id of <pad> is an argument, and 0 can be a word.",
            "s2s-beam-length",
        ),
        Mistake(
            "one score for the whole batch",
            scores_of_the_batch,
            "One number came back. Sum over the words of each sentence, axis 1, and leave the batch alone: [batch].",
            "s2s-beam-length",
        ),
    ],
    alternatives=[scores_by_library, scores_by_loops],
    framework="torch",
)


EXERCISES = [
    SHIFT_RIGHT,
    MASKED_CROSS_ENTROPY,
    DECODE_STATES,
    GREEDY_DECODE,
    BEAM_SEARCH,
    SCHEDULED_INPUTS,
    SENTENCE_SCORES,
]
