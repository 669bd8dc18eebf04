"""Chapter 1: what the exercises on recurrent networks ask of a candidate."""

import numpy as np

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.reference import rnn

ASSIGNMENT = "01-rnn"


def drawer(rng, dtype):
    """Normal draws of any shape in one dtype, and the words for it."""
    return lambda *shape, scale=1.0: (scale * rng.normal(size=shape)).astype(dtype)


# ---- rnn_step -----------------------------------------------------------------------------------------------------


def step_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([[1.0]]),
            "h": np.array([[0.5]]),
            "W_x": np.array([[0.3]]),
            "W_h": np.array([[2.0]]),
            "b": np.array([-0.1]),
        },
    )
    for about, (batch, d_in, d_h), dtype, scale in [
        ("one row, 2 inputs, 3 hidden units", (1, 2, 3), np.float64, 1),
        ("4 rows, 3 inputs, 5 hidden units", (4, 3, 5), np.float32, 1),
        ("3 rows, 5 inputs, 2 hidden units", (3, 5, 2), np.float64, 1),
        ("inputs in the hundreds, so that every unit saturates", (2, 3, 4), np.float32, 300),
    ]:
        draw = drawer(rng, dtype)
        yield Case(
            f"{about}, {np.dtype(dtype)}",
            {
                "x": draw(batch, d_in, scale=scale),
                "h": draw(batch, d_h),
                "W_x": draw(d_in, d_h),
                "W_h": draw(d_h, d_h),
                "b": draw(d_h),
            },
        )


def step_without_tanh(x, h, W_x, W_h, b):
    return x @ W_x + h @ W_h + b


def step_without_bias(x, h, W_x, W_h, b):
    return np.tanh(x @ W_x + h @ W_h)


def step_with_transposed_W_h(x, h, W_x, W_h, b):
    return np.tanh(x @ W_x + h @ W_h.T + b)


def step_that_overwrites_h(x, h, W_x, W_h, b):
    h = x @ W_x + b
    return np.tanh(h + h @ W_h)


def step_with_the_old_state_outside(x, h, W_x, W_h, b):
    return np.tanh(x @ W_x + b) + h @ W_h


def step_with_the_bias_outside(x, h, W_x, W_h, b):
    return np.tanh(x @ W_x + h @ W_h) + b


def step_with_sigmoid(x, h, W_x, W_h, b):
    return rnn.sigmoid(x @ W_x + h @ W_h + b)


def step_in_place(x, h, W_x, W_h, b):
    h[:] = np.tanh(x @ W_x + h @ W_h + b)
    return h


RNN_STEP = Exercise(
    name="rnn_step",
    assignment=ASSIGNMENT,
    section="rnn-recurrence",
    points=1,
    difficulty=1,
    minutes=5,
    reference=rnn.rnn_step,
    probe=probe.call,
    cases=step_cases,
    mistakes=[
        Mistake(
            "tanh forgotten",
            step_without_tanh,
            "Your state has entries outside -1 to 1. Which part of the formula keeps it inside?",
            "rnn-recurrence",
        ),
        Mistake(
            "bias forgotten",
            step_without_bias,
            "Try x = 0 and h = 0: you return 0 whatever b is. What should the state be there?",
            "rnn-recurrence",
        ),
        Mistake(
            "W_h transposed",
            step_with_transposed_W_h,
            "A state is a row here, so it stands on the left: row i of W_h says where entry i of the old state goes. "
            "Transposing is for columns, as in W h.",
            "rnn-recurrence",
        ),
        Mistake(
            "W_h times the new state instead of h_{t-1}",
            step_that_overwrites_h,
            "Your result does not depend on the old state at all: change h and nothing changes. "
            "Was the name h given to something else before h @ W_h was computed?",
            "rnn-recurrence",
        ),
        Mistake(
            "the old state added outside the tanh",
            step_with_the_old_state_outside,
            "The two products are added first, and the sum goes through one tanh. Check where your brackets close.",
            "rnn-recurrence",
        ),
        Mistake(
            "the bias added outside the tanh",
            step_with_the_bias_outside,
            "The bias belongs to the sum that goes through the tanh. Check where your brackets close.",
            "rnn-recurrence",
        ),
        Mistake(
            "sigmoid instead of tanh",
            step_with_sigmoid,
            "None of your states is negative. The function that squeezes the sum runs from -1 to 1, not from 0 to 1.",
            "rnn-recurrence",
        ),
        Mistake(
            "the old state edited in place",
            step_in_place,
            "The numbers are right, but the caller's h was overwritten. Back-propagation needs every old state later. "
            "Make a new array; h[:] = and h += write into the one you were given.",
            "rnn-bptt",
        ),
    ],
    alternatives=[
        lambda x, h, W_x, W_h, b: np.tanh(np.concatenate([x, h], 1) @ np.concatenate([W_x, W_h], 0) + b),
        lambda x, h, W_x, W_h, b: np.tanh(np.einsum("bi,ij->bj", x, W_x) + np.einsum("bi,ij->bj", h, W_h) + b),
        lambda x, h, W_x, W_h, b: np.tanh((W_x.T @ x.T + W_h.T @ h.T + b[:, None]).T),
        lambda x, h, W_x, W_h, b: 1 - 2 / (np.exp(2 * np.clip(x @ W_x + h @ W_h + b, -20, 20).astype(np.float64)) + 1),
    ],
)


# ---- rnn ----------------------------------------------------------------------------------------------------------


def rnn_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([[[1.0], [2.0], [3.0]], [[4.0], [9.0], [9.0]]]),
            "lengths": np.array([3, 1]),
            "h0": np.zeros((2, 1)),
            "W_x": np.array([[0.5]]),
            "W_h": np.array([[-1.0]]),
            "b": np.array([0.0]),
        },
    )
    for about, lengths, (m, d_in, d_h), dtype in [
        ("one sequence of one step", [1], (1, 2, 3), np.float64),
        ("3 sequences of 5 steps, no padding", [5, 5, 5], (5, 2, 4), np.float64),
        ("4 sequences of 3, 1, 2 and 3 steps", [3, 1, 2, 3], (3, 5, 2), np.float32),
        ("2 sequences of 4 and 2 steps, padded to 6", [4, 2], (6, 3, 5), np.float64),
        ("5 sequences, huge numbers at the padding", [2, 7, 4, 1, 6], (7, 3, 4), np.float32),
    ]:
        draw, batch = drawer(rng, dtype), len(lengths)
        x, lengths = draw(batch, m, d_in), np.array(lengths)
        if "huge" in about:
            x[np.arange(m) >= lengths[:, None]] *= 1e4
        yield Case(
            f"{about}, {np.dtype(dtype)}",
            {
                "x": x,
                "lengths": lengths,
                "h0": draw(batch, d_h, scale=0.5),
                "W_x": draw(d_in, d_h),
                "W_h": draw(d_h, d_h),
                "b": draw(d_h),
            },
        )


def rnn_states(x, h0, W_x, W_h, b):
    """All states, as if nothing were padding: [batch, m, d_h]."""
    h, H = h0, []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ W_x + h @ W_h + b)
        H.append(h)
    return np.stack(H, axis=1)


def rnn_mask(x, lengths):
    return np.arange(x.shape[1])[None, :, None] < lengths[:, None, None]  # [batch, m, 1]


def rnn_last(H, lengths):
    return H[np.arange(len(lengths)), lengths - 1]


def rnn_without_carrying(x, lengths, h0, W_x, W_h, b):
    H = np.tanh(x @ W_x + (h0 @ W_h)[:, None] + b)
    return np.where(rnn_mask(x, lengths), H, 0), rnn_last(H, lengths)


def rnn_through_the_padding(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x, h0, W_x, W_h, b)
    return H, H[:, -1]


def rnn_last_from_the_padding(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x, h0, W_x, W_h, b)
    return np.where(rnn_mask(x, lengths), H, 0), H[:, -1]


def rnn_last_column_of_zeroed(x, lengths, h0, W_x, W_h, b):
    H = np.where(rnn_mask(x, lengths), rnn_states(x, h0, W_x, W_h, b), 0)
    return H, H[:, -1]


def rnn_padding_left_in(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x, h0, W_x, W_h, b)
    return H, rnn_last(H, lengths)


def rnn_last_state_repeated(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x, h0, W_x, W_h, b)
    last = rnn_last(H, lengths)
    return np.where(rnn_mask(x, lengths), H, last[:, None]), last


def rnn_from_zero(x, lengths, h0, W_x, W_h, b):
    return rnn.rnn(x, lengths, np.zeros_like(h0), W_x, W_h, b)


def rnn_one_step_late(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x, h0, W_x, W_h, b)
    return np.where(rnn_mask(x, lengths), np.concatenate([h0[:, None], H[:, :-1]], 1), 0), rnn_last(H, lengths)


def rnn_one_length_too_far(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x, h0, W_x, W_h, b)
    longer = np.minimum(lengths + 1, x.shape[1])
    return np.where(rnn_mask(x, longer), H, 0), rnn_last(H, longer)


def rnn_one_length_too_short(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x, h0, W_x, W_h, b)
    after = np.concatenate([h0[:, None], H], axis=1)  # after[:, n]: n steps were made
    return np.where(rnn_mask(x, lengths - 1), H, 0), rnn_last(after, lengths)


def rnn_last_first(x, lengths, h0, W_x, W_h, b):
    H, last = rnn.rnn(x, lengths, h0, W_x, W_h, b)
    return last, H


def rnn_zeroing_x(x, lengths, h0, W_x, W_h, b):
    x *= rnn_mask(x, lengths)
    return rnn.rnn(x, lengths, h0, W_x, W_h, b)


def rnn_one_sequence_at_a_time(x, lengths, h0, W_x, W_h, b):
    H, last = np.zeros((*x.shape[:2], h0.shape[1]), x.dtype), h0.copy()
    for i, n in enumerate(lengths):
        for t in range(n):
            last[i] = H[i, t] = np.tanh(x[i, t] @ W_x + last[i] @ W_h + b)
    return H, last


def rnn_mask_afterwards(x, lengths, h0, W_x, W_h, b):
    H = rnn_states(x.astype(np.float64), h0, W_x, W_h, b) * rnn_mask(x, lengths)
    return H, rnn_last(H, lengths)


def rnn_by_torch(x, lengths, h0, W_x, W_h, b):
    import torch

    net = torch.nn.RNN(x.shape[2] + 1, h0.shape[1], bias=False, batch_first=True).double()
    net.weight_ih_l0.data = torch.from_numpy(
        np.concatenate([W_x, b[None]]).T.astype(np.float64)
    )  # b: one more input, 1
    net.weight_hh_l0.data = torch.from_numpy(W_h.T.astype(np.float64))
    inputs = torch.from_numpy(np.concatenate([x, np.ones_like(x[:, :, :1])], axis=2).astype(np.float64))
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        inputs, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )
    H, last = net(packed, torch.from_numpy(h0.astype(np.float64))[None])
    H, _ = torch.nn.utils.rnn.pad_packed_sequence(H, batch_first=True, total_length=x.shape[1])
    return H.detach().numpy(), last[0].detach().numpy()


RNN = Exercise(
    name="rnn",
    assignment=ASSIGNMENT,
    section="rnn-padding",
    points=2,
    difficulty=2,
    minutes=15,
    reference=rnn.rnn,
    probe=probe.call,
    cases=rnn_cases,
    mistakes=[
        Mistake(
            "hidden state not carried between steps",
            rnn_without_carrying,
            "Each of your states depends on its own x_t and h0 only. Step t must start from what step t-1 returned.",
            "rnn-recurrence",
        ),
        Mistake(
            "padding steps update the state, and their outputs stay",
            rnn_through_the_padding,
            "You ran every sequence to the padded width. A short sequence's last state is the one at its own length, "
            "and its outputs after that are 0.",
            "rnn-padding",
        ),
        Mistake(
            "padding steps update the last state",
            rnn_last_from_the_padding,
            "H is right, but the last state of a short sequence kept changing while the network read its padding. "
            "Which state did the sequence have when its last real token had been read?",
            "rnn-padding",
        ),
        Mistake(
            "last state taken from the zeroed column",
            rnn_last_column_of_zeroed,
            "H is right. For a short sequence H[:, -1] is padding, so you return zeros there. "
            "Its last real state stands at position lengths[i] - 1.",
            "rnn-padding",
        ),
        Mistake(
            "outputs at padding not set to zero",
            rnn_padding_left_in,
            "The last states are right, and so is H at the real tokens. After a sequence's end H must be 0.",
            "rnn-padding",
        ),
        Mistake(
            "last state repeated at padding",
            rnn_last_state_repeated,
            "Freezing the state at the end of a sequence is right, and your last state is too. "
            "In H the positions after the end must be 0, not a copy of the frozen state.",
            "rnn-padding",
        ),
        Mistake(
            "h0 ignored",
            rnn_from_zero,
            "You start every sequence from zeros. The first step must start from the h0 that was given.",
            "rnn-recurrence",
        ),
        Mistake(
            "each state stored one step late",
            rnn_one_step_late,
            "H[:, 0] is your h0. It should be the state after x_1 was read: update first, then store.",
            "rnn-unrolling",
        ),
        Mistake(
            "one padding step counted as real",
            rnn_one_length_too_far,
            "A sequence of length 1 is real at t = 0 only. Is your comparison t <= length where t < length is meant?",
            "rnn-padding",
        ),
        Mistake(
            "the last real step left out",
            rnn_one_length_too_short,
            "A sequence of length 1 has one real step, at t = 0, and you make none. Is your comparison "
            "t < length - 1 where t < length is meant?",
            "rnn-padding",
        ),
        Mistake(
            "the two results in the wrong order",
            rnn_last_first,
            "All states come first, then the last ones: return H, h_last.",
            "rnn-recurrence",
        ),
        Mistake(
            "the input zeroed in place",
            rnn_zeroing_x,
            "The numbers are right, but the caller's x has changed. Use np.where or a copy, not x *= mask. "
            "(Zeroing the padding would not stop the state either: h W_h + b still changes it.)",
            "rnn-padding",
        ),
    ],
    alternatives=[rnn_one_sequence_at_a_time, rnn_mask_afterwards, rnn_by_torch],
)


# ---- bptt ---------------------------------------------------------------------------------------------------------


def bptt_probe(candidate, **inputs):
    result = candidate(**inputs)
    if isinstance(result, (tuple, list)) and len(result) == 5:
        return dict(zip(("dx", "dh0", "dW_x", "dW_h", "db"), result, strict=True))
    return probe.parts(result)


def bptt_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([[[1.0], [2.0]]]),
            "h0": np.array([[0.0]]),
            "H": np.array([[[0.5], [0.6]]]),
            "W_x": np.array([[0.5]]),
            "W_h": np.array([[2.0]]),
            "dH": np.array([[[0.0], [1.0]]]),
        },
    )
    for about, (batch, m, d_in, d_h), dtype in [
        ("a single step", (2, 1, 3, 4), np.float64),
        ("the loss looks at the last state only", (3, 4, 2, 5), np.float64),
        ("the loss looks at every state", (2, 5, 4, 3), np.float32),
        ("one sequence, more steps than hidden units", (1, 7, 3, 2), np.float64),
        ("states close to -1 and 1", (3, 4, 5, 2), np.float64),
    ]:
        draw = drawer(rng, dtype)
        x, h0 = draw(batch, m, d_in, scale=6 if "close" in about else 1), draw(batch, d_h, scale=0.5)
        W_x, W_h, b = draw(d_in, d_h), draw(d_h, d_h), draw(d_h)
        dH = draw(batch, m, d_h)
        if "last" in about:
            dH[:, :-1] = 0
        H = rnn_states(x, h0, W_x, W_h, b)
        yield Case(
            f"{about}: x is [{batch}, {m}, {d_in}], states of {d_h} numbers, {np.dtype(dtype)}",
            {"x": x, "h0": h0, "H": H, "W_x": W_x, "W_h": W_h, "dH": dH},
        )


def bptt_with(  # the reference, with one thing changed at a time
    slope=lambda h: 1 - h**2,
    carry=lambda da, W_h: da @ W_h.T,
    before=lambda h_before, h: h_before,
    add=lambda total, term: total + term,
    join=lambda dH, back, slope: (dH + back) * slope,
    share=lambda batch: 1,
):
    def candidate(x, h0, H, W_x, W_h, dH):
        dx, dW_x, dW_h, db = np.zeros_like(x), np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(W_h[0])
        back = np.zeros_like(h0)
        for t in reversed(range(x.shape[1])):
            h_before = before(H[:, t - 1] if t > 0 else h0, H[:, t])
            da = join(dH[:, t], back, slope(H[:, t]))
            dx[:, t] = da @ W_x.T
            n = share(len(x))
            dW_x, dW_h, db = add(dW_x, x[:, t].T @ da / n), add(dW_h, h_before.T @ da / n), add(db, da.sum(0) / n)
            back = carry(da, W_h)
        return dx, back, dW_x, dW_h, db

    return candidate


def bptt_without_first_state(x, h0, H, W_x, W_h, dH):
    dx, dh0, dW_x, dW_h, db = rnn.bptt(x, h0, H, W_x, W_h, dH)
    return dx, np.zeros_like(dh0), dW_x, dW_h, db


def bptt_with_da_at_h0(x, h0, H, W_x, W_h, dH):
    dx, _, dW_x, dW_h, db = rnn.bptt(x, h0, H, W_x, W_h, dH)
    da, *_ = rnn.bptt(np.zeros_like(H), h0, H, np.eye(len(W_h), dtype=x.dtype), W_h, dH)  # dx = da W_x' with W_x = 1
    return dx, da[:, 0], dW_x, dW_h, db


def bptt_in_place(x, h0, H, W_x, W_h, dH):
    result = rnn.bptt(x, h0, H, W_x, W_h, dH)
    for t in range(x.shape[1] - 1, 0, -1):
        dH[:, t - 1] += (dH[:, t] * (1 - H[:, t] ** 2)) @ W_h.T
    return result


def bptt_all_at_once(x, h0, H, W_x, W_h, dH):
    """The same sums taken after the loop, by einsum."""
    A = np.empty_like(H)
    back = np.zeros_like(h0)
    for t in range(x.shape[1] - 1, -1, -1):
        A[:, t] = (dH[:, t] + back) * (1 - H[:, t] ** 2)
        back = np.einsum("bj,ij->bi", A[:, t], W_h)
    before = np.concatenate([h0[:, None], H[:, :-1]], axis=1)
    return (
        np.einsum("btj,ij->bti", A, W_x),
        back,
        np.einsum("bti,btj->ij", x, A),
        np.einsum("bti,btj->ij", before, A),
        A.sum((0, 1)),
    )


def bptt_by_autograd(x, h0, H, W_x, W_h, dH):
    """Autograd on a forward pass that lands on the given H: each step gets the constant that takes it there."""
    import torch

    def leaf(a):
        return torch.from_numpy(a.astype(np.float64)).requires_grad_()

    x, h0, W_x, W_h, b = leaves = *map(leaf, (x, h0, W_x, W_h)), leaf(np.zeros(len(W_h)))
    h, loss = h0, 0.0
    for t in range(x.shape[1]):
        a = x[:, t] @ W_x + h @ W_h + b
        target = torch.from_numpy(H[:, t].astype(np.float64)).clamp(-1 + 1e-16, 1 - 1e-16)
        h = torch.tanh(a + (torch.atanh(target) - a).detach())
        loss = loss + (h * torch.from_numpy(dH[:, t].astype(np.float64))).sum()
    return tuple(g.numpy() for g in torch.autograd.grad(loss, leaves))


BPTT = Exercise(
    name="bptt",
    assignment=ASSIGNMENT,
    section="rnn-bptt",
    points=3,
    difficulty=4,
    minutes=30,
    reference=rnn.bptt,
    probe=bptt_probe,
    cases=bptt_cases,
    mistakes=[
        Mistake(
            "nothing sent back to the step before",
            bptt_with(carry=lambda da, W_h: np.zeros_like(da @ W_h.T)),
            "You treat each step alone. h_t is used twice: by the loss at step t, and by step t+1. "
            "The second use sends a gradient back too.",
            "rnn-bptt",
        ),
        Mistake(
            "what comes back from step t+1 is not added",
            bptt_with(join=lambda dH, back, slope: dH * slope),
            "You compute what each step sends back, but on its way it never meets the step before: h_t is used by the "
            "loss and by step t+1, and the two gradients add up.",
            "rnn-bptt",
        ),
        Mistake(
            "the slope of tanh for the loss's part only",
            bptt_with(join=lambda dH, back, slope: dH * slope + back),
            "All that arrives at h_t goes through the tanh of step t, the part from step t+1 too. Add first, then "
            "multiply.",
            "rnn-bptt",
        ),
        Mistake(
            "the slope of tanh forgotten",
            bptt_with(slope=lambda h: np.ones_like(h)),
            "You pass the gradient by h_t straight on to a_t. What is the derivative of tanh(a), written with h = "
            "tanh(a)?",
            "rnn-bptt",
        ),
        Mistake(
            "the slope of tanh taken as 1 - h",
            bptt_with(slope=lambda h: 1 - h),
            "The slope of tanh is the same at a and at -a. Is yours? 1 - h is not, 1 - h² is.",
            "rnn-bptt",
        ),
        Mistake(
            "the slope taken as tanh'(h) instead of tanh'(a)",
            bptt_with(slope=lambda h: 1 - np.tanh(h) ** 2),
            "H already holds tanh(a). Taking tanh of it once more gives the slope at the wrong place.",
            "rnn-bptt",
        ),
        Mistake(
            "W_h not transposed on the way back",
            bptt_with(carry=lambda da, W_h: da @ W_h),
            "Forwards, h @ W_h sends entry i to entry j by W_h[i, j]. Backwards, entry j returns to entry i: "
            "that is a product with the transpose.",
            "rnn-bptt",
        ),
        Mistake(
            "dW_h from h_t instead of h_{t-1}",
            bptt_with(before=lambda h_before, h: h),
            "Which state was multiplied by W_h at step t? The one that step t started from.",
            "rnn-bptt",
        ),
        Mistake(
            "H[:, -1] taken for the state before the first step",
            lambda x, h0, H, W_x, W_h, dH: rnn.bptt(x, H[:, -1], H, W_x, W_h, dH),
            "dW_h is wrong, the rest is right. At t = 0, H[:, t - 1] is H[:, -1], and in Python that is the last "
            "column. Which state did the first step start from?",
            "rnn-bptt",
        ),
        Mistake(
            "the first step's share of dW_h left out",
            lambda x, h0, H, W_x, W_h, dH: rnn.bptt(x, np.zeros_like(h0), H, W_x, W_h, dH),
            "dW_h lacks a term. The first step multiplied W_h by a state, too: by h0, which need not be zero.",
            "rnn-bptt",
        ),
        Mistake(
            "da of the first step returned as dh0",
            bptt_with_da_at_h0,
            "You return the gradient at a_1. Between h0 and a_1 stands W_h: one more step back.",
            "rnn-bptt",
        ),
        Mistake(
            "parameter gradients overwritten at each step",
            bptt_with(add=lambda total, term: term),
            "Your dW_x, dW_h and db hold step 1's share alone. All steps use the same parameters, so their shares "
            "add up.",
            "rnn-shared",
        ),
        Mistake(
            "parameter gradients averaged over the batch",
            bptt_with(share=lambda batch: batch),
            "dH is the gradient of the loss itself. If the loss is a mean, the 1/batch is in dH already.",
            "rnn-bptt",
        ),
        Mistake(
            "the gradient by h0 left at zero",
            bptt_without_first_state,
            "Everything is right but dh0. Step 1 sends a gradient back too, and what it sends back belongs to h0.",
            "rnn-bptt",
        ),
        Mistake(
            "dH edited in place",
            bptt_in_place,
            "The gradients are right, but the caller's dH has changed. Keep what comes back from step t+1 in a "
            "variable of its own.",
            "rnn-bptt",
        ),
    ],
    alternatives=[bptt_with(), bptt_all_at_once, bptt_by_autograd],
)


# ---- clip_by_global_norm ------------------------------------------------------------------------------------------


def clip_probe(candidate, gradients, max_norm):
    result = candidate(gradients, max_norm)
    if isinstance(result, (list, tuple)):
        return {f"gradient {i}": g for i, g in enumerate(result, start=1)}
    return {"result": result}


def clip_cases(rng):
    yield Case("the worked example", {"gradients": [np.array([3.0]), np.array([[0.0, 4.0]])], "max_norm": 1.0})
    for about, shapes, dtype, norm, max_norm in [
        ("norm 7, limit 2", [(3, 2), (2, 2), (2,)], np.float64, 7, 2.0),
        ("norm 0.3, limit 1: small enough already", [(2, 4), (4,)], np.float64, 0.3, 1.0),
        ("norm 40, limit 5, arrays of very different sizes", [(1,), (7, 5), (3,)], np.float32, 40, 5.0),
        ("only zeros", [(2, 3), (3,)], np.float64, 0, 1.0),
        ("norm 1.5, limit 1, though each array alone is below 1", [(3,), (3,), (3,)], np.float64, 1.5, 1.0),
    ]:
        # Each array gets the same norm, so that the last case is what it says.
        draw = drawer(rng, np.float64)
        gradients = [draw(*shape) for shape in shapes]
        gradients = [(g / np.sqrt((g**2).sum()) * norm / len(shapes) ** 0.5).astype(dtype) for g in gradients]
        yield Case(f"{about}, {np.dtype(dtype)}", {"gradients": gradients, "max_norm": max_norm})


def clip_by_element(gradients, max_norm):
    return [np.clip(g, -max_norm, max_norm) for g in gradients]


def clip_each_array(gradients, max_norm):
    return [g * min(1, max_norm / np.sqrt((g**2).sum() or 1e-30)) for g in gradients]


def clip_norm(gradients):
    return np.sqrt(sum((g**2).sum() for g in gradients))


def clip_always(gradients, max_norm):
    return [g * (max_norm / (clip_norm(gradients) or 1)) for g in gradients]


def clip_always_nan(gradients, max_norm):
    return [g * (max_norm / clip_norm(gradients)) for g in gradients]


def clip_without_root(gradients, max_norm):
    norm = clip_norm(gradients) ** 2
    return [g * (max_norm / norm if norm > max_norm else 1) for g in gradients]


def clip_by_sum_of_norms(gradients, max_norm):
    norm = sum(np.sqrt((g**2).sum()) for g in gradients)
    return [g * (max_norm / norm if norm > max_norm else 1) for g in gradients]


def clip_to_one(gradients, max_norm):
    norm = clip_norm(gradients)
    return [g / norm if norm > max_norm else g for g in gradients]


def clip_in_place(gradients, max_norm):
    norm = clip_norm(gradients)
    for g in gradients:
        g *= max_norm / norm if norm > max_norm else 1
    return gradients


def clip_flattened(gradients, max_norm):
    norm = np.linalg.norm(np.concatenate([g.ravel().astype(np.float64) for g in gradients]))
    return [g / max(1.0, norm / max_norm) for g in gradients]


def clip_by_torch(gradients, max_norm):
    import torch

    parameters = [torch.zeros(g.shape, dtype=torch.float64) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = torch.from_numpy(g.astype(np.float64))
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return tuple(p.grad.numpy() for p in parameters)


CLIP = Exercise(
    name="clip_by_global_norm",
    assignment=ASSIGNMENT,
    section="rnn-clipping",
    points=1,
    difficulty=2,
    minutes=10,
    reference=rnn.clip_by_global_norm,
    probe=clip_probe,
    cases=clip_cases,
    mistakes=[
        Mistake(
            "clipped by element instead of by norm",
            clip_by_element,
            "You cut each entry on its own, which turns the step into another direction and lets the norm stay above"
            " the limit. Multiply all entries by one number.",
            "rnn-clipping",
        ),
        Mistake(
            "each array clipped by its own norm",
            clip_each_array,
            "Each of your arrays is short enough, but together they are not, and their ratios have changed. "
            "Compute one norm over all of them.",
            "rnn-clipping",
        ),
        Mistake(
            "rescaled even when small enough",
            clip_always,
            "You stretch a small gradient up to the limit. Clipping makes nothing longer.",
            "rnn-clipping",
        ),
        Mistake(
            "rescaled even when small enough, and NaN for zeros",
            clip_always_nan,
            "You divide by the norm in every case, so small gradients are stretched and zero gradients become 0/0. "
            "When does nothing have to be done?",
            "rnn-clipping",
        ),
        Mistake(
            "the root forgotten",
            clip_without_root,
            "A sum of squares is a squared norm. With 3 and 4 the norm is 5; did you get 25?",
            "rnn-clipping",
        ),
        Mistake(
            "the norms of the arrays added up",
            clip_by_sum_of_norms,
            "The norm of 3 and 4 together is 5, not 7. Add the squares first and take one root at the end.",
            "rnn-clipping",
        ),
        Mistake(
            "scaled to norm 1 whatever the limit",
            clip_to_one,
            "After clipping, the norm should equal max_norm. Yours is 1.",
            "rnn-clipping",
        ),
        Mistake(
            "the gradients edited in place",
            clip_in_place,
            "The numbers are right, but the caller's arrays have changed. g *= scale writes into them; scale * g "
            "does not.",
            "rnn-clipping",
        ),
    ],
    alternatives=[clip_flattened, clip_by_torch],
    tolerance=Tolerance(float64=(1e-5, 1e-9), reason="torch's own clip_grad_norm_ divides by norm + 1e-6, and may"),
)


# ---- gru_step -----------------------------------------------------------------------------------------------------


def gru_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([[1.0]]),
            "h": np.array([[0.5]]),
            "W_x": np.array([[0.0, 0.0, 1.0]]),
            "W_h": np.array([[0.0, 0.0, 2.0]]),
            "b_x": np.zeros(3),
            "b_h": np.zeros(3),
        },
    )
    for about, (batch, d_in, d_h), dtype, scale in [
        ("one row, 3 inputs, 2 hidden units", (1, 3, 2), np.float64, 1),
        ("4 rows, 2 inputs, 5 hidden units", (4, 2, 5), np.float32, 1),
        ("3 rows, 5 inputs, 4 hidden units", (3, 5, 4), np.float64, 1),
        ("gates wide open or shut", (2, 4, 3), np.float64, 15),
    ]:
        draw = drawer(rng, dtype)
        yield Case(
            f"{about}, {np.dtype(dtype)}",
            {
                "x": draw(batch, d_in, scale=scale),
                "h": draw(batch, d_h),
                "W_x": draw(d_in, 3 * d_h),
                "W_h": draw(d_h, 3 * d_h),
                "b_x": draw(3 * d_h),
                "b_h": draw(3 * d_h),
            },
        )


def gru_with(  # the reference, with one thing changed at a time
    order=lambda r, z, n: (r, z, n),
    candidate=lambda x_n, r, h_n, b_x, b_h: np.tanh(x_n + b_x + r * (h_n + b_h)),
    gate=rnn.sigmoid,
    mix=lambda z, n, h: (1 - z) * n + z * h,
):
    def step(x, h, W_x, W_h, b_x, b_h):
        x_r, x_z, x_n = order(*np.split(x @ W_x, 3, axis=1))
        h_r, h_z, h_n = order(*np.split(h @ W_h, 3, axis=1))
        bx_r, bx_z, bx_n = order(*np.split(b_x, 3))
        bh_r, bh_z, bh_n = order(*np.split(b_h, 3))
        r, z = gate(x_r + h_r + bx_r + bh_r), gate(x_z + h_z + bx_z + bh_z)
        return mix(z, candidate(x_n, r, h_n, bx_n, bh_n), h)

    return step


def gru_reset_before(x, h, W_x, W_h, b_x, b_h):
    d = h.shape[1]
    a = x @ W_x + b_x
    r, z = np.split(rnn.sigmoid(a[:, : 2 * d] + h @ W_h[:, : 2 * d] + b_h[: 2 * d]), 2, axis=1)
    n = np.tanh(a[:, 2 * d :] + (r * h) @ W_h[:, 2 * d :] + b_h[2 * d :])
    return (1 - z) * n + z * h


def gru_by_torch(x, h, W_x, W_h, b_x, b_h):
    import torch

    cell = torch.nn.GRUCell(x.shape[1], h.shape[1]).double()
    with torch.no_grad():
        for ours, name in [(W_x.T, "weight_ih"), (W_h.T, "weight_hh"), (b_x, "bias_ih"), (b_h, "bias_hh")]:
            getattr(cell, name).copy_(torch.from_numpy(ours.astype(np.float64)))
        return cell(torch.from_numpy(x.astype(np.float64)), torch.from_numpy(h.astype(np.float64))).numpy()


GRU_STEP = Exercise(
    name="gru_step",
    assignment=ASSIGNMENT,
    section="rnn-gates",
    points=2,
    difficulty=3,
    minutes=15,
    reference=rnn.gru_step,
    probe=probe.call,
    cases=gru_cases,
    mistakes=[
        Mistake(
            "z and 1 - z swapped",
            gru_with(mix=lambda z, n, h: z * n + (1 - z) * h),
            "In this formula z is how much of the old state is kept. Papers differ here; with z = 1 the state must "
            "not change.",
            "rnn-gates",
        ),
        Mistake(
            "reset gate before the product",
            gru_reset_before,
            "You compute (r ∘ h) W_n, as the paper of 2014 does. Here, as in PyTorch, r multiplies h W_n + its bias, "
            "after the product.",
            "rnn-gates",
        ),
        Mistake(
            "bias of the state's part outside the reset gate",
            gru_with(candidate=lambda x_n, r, h_n, b_x, b_h: np.tanh(x_n + b_x + r * h_n + b_h)),
            "r multiplies all that comes from the state: the product with W_h and the bias b_h of the candidate.",
            "rnn-gates",
        ),
        Mistake(
            "reset gate forgotten",
            gru_with(candidate=lambda x_n, r, h_n, b_x, b_h: np.tanh(x_n + b_x + h_n + b_h)),
            "Your candidate sees the whole old state. With r = 0 it should see none of it.",
            "rnn-gates",
        ),
        Mistake(
            "reset gate on the input's part as well",
            gru_with(candidate=lambda x_n, r, h_n, b_x, b_h: np.tanh(r * (x_n + b_x + h_n + b_h))),
            "With r = 0 your candidate is 0 whatever is read. r shuts out the past, not the input: it multiplies what "
            "comes from h.",
            "rnn-gates",
        ),
        Mistake(
            "reset and update blocks swapped",
            gru_with(order=lambda r, z, n: (z, r, n)),
            "The blocks of columns are reset, update, candidate, in this order. Did you read the first block as z?",
            "rnn-gates",
        ),
        Mistake(
            "tanh as the gates",
            gru_with(gate=np.tanh),
            "A gate is a share between 0 and 1. tanh runs from -1 to 1.",
            "rnn-gates",
        ),
        Mistake(
            "sigmoid in the candidate",
            gru_with(candidate=lambda x_n, r, h_n, b_x, b_h: rnn.sigmoid(x_n + b_x + r * (h_n + b_h))),
            "The candidate is a new state, so it must be able to be negative: it goes through tanh.",
            "rnn-gates",
        ),
        Mistake(
            "the old state dropped",
            gru_with(mix=lambda z, n, h: (1 - z) * n),
            "Where z is near 1 your new state is near 0. It should be near the old state there.",
            "rnn-gates",
        ),
    ],
    alternatives=[gru_with(), gru_by_torch, gru_with(mix=lambda z, n, h: n + z * (h - n))],
)


# ---- bidirectional ------------------------------------------------------------------------------------------------


def bidirectional_probe(candidate, x, lengths, forward, backward):
    def network(W_x, W_h):
        def run(x):  # h_t = x_t W_x + h_{t-1} W_h, linear so that small examples stay readable
            h, H = 0, []
            for t in range(x.shape[1]):
                h = x[:, t] @ W_x + (h @ W_h if t else 0)
                H.append(h)
            return np.stack(H, axis=1)

        return run

    return probe.parts(candidate(x, lengths, network(**forward), network(**backward)))


def bidirectional_cases(rng):
    running_sum = {"W_x": np.array([[1.0]]), "W_h": np.array([[1.0]])}
    yield Case(
        "the worked example: both networks add up",
        {
            "x": np.array([[[1.0], [2.0], [3.0], [9.0]]]),
            "lengths": np.array([3]),
            "forward": running_sum,
            "backward": running_sum,
        },
    )
    for about, lengths, (m, d_in, d_f, d_b), dtype in [
        ("one token", [1], (1, 2, 3, 3), np.float64),
        ("3 sequences of 4 tokens, no padding", [4, 4, 4], (4, 2, 3, 3), np.float64),
        ("4 sequences of 5, 1, 3 and 2 tokens, wider backwards", [5, 1, 3, 2], (5, 3, 2, 4), np.float32),
        ("2 sequences of 2 and 4 tokens, padded to 6", [2, 4], (6, 2, 3, 3), np.float64),
    ]:
        draw, batch = drawer(rng, dtype), len(lengths)
        yield Case(
            f"{about}, {np.dtype(dtype)}",
            {
                "x": draw(batch, m, d_in),
                "lengths": np.array(lengths),
                "forward": {"W_x": draw(d_in, d_f), "W_h": draw(d_f, d_f, scale=0.5)},
                "backward": {"W_x": draw(d_in, d_b), "W_h": draw(d_b, d_b, scale=0.5)},
            },
        )


def bidirectional_flip(x, lengths):
    """A copy whose real tokens stand in reverse, the padding where it was."""
    out = x.copy()
    for i, n in enumerate(lengths):
        out[i, :n] = x[i, :n][::-1]
    return out


def bidirectional_join(x, lengths, H_f, H_b):
    return np.where(np.arange(x.shape[1])[None, :, None] < lengths[:, None, None], np.concatenate([H_f, H_b], 2), 0)


def bidirectional_padding_first(x, lengths, forward, backward):
    return bidirectional_join(x, lengths, forward(x), backward(x[:, ::-1])[:, ::-1])


def bidirectional_not_turned_back(x, lengths, forward, backward):
    return bidirectional_join(x, lengths, forward(x), backward(bidirectional_flip(x, lengths)))


def bidirectional_not_turned(x, lengths, forward, backward):
    return bidirectional_join(x, lengths, forward(x), backward(x))


def bidirectional_states_reversed_only(x, lengths, forward, backward):
    return bidirectional_join(x, lengths, forward(x), bidirectional_flip(backward(x), lengths))


def bidirectional_one_network(x, lengths, forward, backward):
    H_b = bidirectional_flip(forward(bidirectional_flip(x, lengths)), lengths)
    return bidirectional_join(x, lengths, forward(x), H_b)


def bidirectional_padding_left_in(x, lengths, forward, backward):
    H_b = bidirectional_flip(backward(bidirectional_flip(x, lengths)), lengths)
    return np.concatenate([forward(x), H_b], axis=2)


def bidirectional_padding_left_in_forward_half(x, lengths, forward, backward):
    H_b = bidirectional_flip(backward(bidirectional_flip(x, lengths)), lengths)
    zeroed = bidirectional_join(x, lengths, H_b, H_b)[:, :, : H_b.shape[2]]
    return np.concatenate([forward(x), zeroed], axis=2)


def bidirectional_padding_first_and_not_turned_back(x, lengths, forward, backward):
    return bidirectional_join(x, lengths, forward(x), backward(x[:, ::-1]))


def bidirectional_backward_first(x, lengths, forward, backward):
    H_b = bidirectional_flip(backward(bidirectional_flip(x, lengths)), lengths)
    return bidirectional_join(x, lengths, H_b, forward(x))


def bidirectional_one_sequence_at_a_time(x, lengths, forward, backward):
    rows = []
    for i, n in enumerate(lengths):
        real = x[i : i + 1, :n]
        H = np.concatenate([forward(real), backward(real[:, ::-1])[:, ::-1]], axis=2)
        rows.append(np.pad(H[0], ((0, x.shape[1] - n), (0, 0))))
    return np.stack(rows)


def bidirectional_by_loop(x, lengths, forward, backward):
    H_b = bidirectional_flip(backward(bidirectional_flip(x, lengths)), lengths)
    return bidirectional_join(x, lengths, forward(x), H_b)


BIDIRECTIONAL = Exercise(
    name="bidirectional",
    assignment=ASSIGNMENT,
    section="rnn-bidirectional",
    points=2,
    difficulty=3,
    minutes=20,
    reference=rnn.bidirectional,
    probe=bidirectional_probe,
    cases=bidirectional_cases,
    mistakes=[
        Mistake(
            "the padding read first",
            bidirectional_padding_first,
            "Unpadded sequences come out right. x[:, ::-1] moves a short sequence's padding to the front, so the "
            "backward network reads it before the first real token. Reverse the real tokens only.",
            "rnn-bidirectional",
        ),
        Mistake(
            "backward states not turned back",
            bidirectional_not_turned_back,
            "Your backward state at position 1 belongs to the last token. Both halves of a row must be about one "
            "token: what has to be done to the backward states before they are joined?",
            "rnn-bidirectional",
        ),
        Mistake(
            "the backward network reads left to right",
            bidirectional_not_turned,
            "Both networks read left to right, the second as well. It has to be given the sequence in reverse.",
            "rnn-bidirectional",
        ),
        Mistake(
            "only the states reversed, not the input",
            bidirectional_states_reversed_only,
            "You ran the backward network left to right and reversed what came out. The first thing it reads must be"
            " the last token.",
            "rnn-bidirectional",
        ),
        Mistake(
            "the forward network used for both directions",
            bidirectional_one_network,
            "The second half comes from forward. The directions have parameters of their own: use backward there.",
            "rnn-bidirectional",
        ),
        Mistake(
            "states at padding not set to zero",
            bidirectional_padding_left_in,
            "At the real tokens all is right. Positions after a sequence's end must be 0.",
            "rnn-padding",
        ),
        Mistake(
            "the forward half not set to zero at padding",
            bidirectional_padding_left_in_forward_half,
            "The backward half is right. The forward network read on through the padding: after a sequence's end both "
            "halves must be 0.",
            "rnn-padding",
        ),
        Mistake(
            "the padding read first, and the states not turned back",
            bidirectional_padding_first_and_not_turned_back,
            "Two things at once. x[:, ::-1] moves the padding to the front, where the backward network reads it. And "
            "its states come out in reversed order: which token does the first of them belong to?",
            "rnn-bidirectional",
        ),
        Mistake(
            "backward half first",
            bidirectional_backward_first,
            "The right numbers in the wrong columns: forward comes first, then backward.",
            "rnn-bidirectional",
        ),
    ],
    alternatives=[bidirectional_one_sequence_at_a_time, bidirectional_by_loop],
)

EXERCISES = [RNN_STEP, RNN, BPTT, CLIP, GRU_STEP, BIDIRECTIONAL]
