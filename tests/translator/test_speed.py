"""The fast loss, dropout, attention and bfloat16 give what torch's own give."""

import os

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autograder.reference.multi_head_attention import MultiHeadAttention
from autograder.reference.transformer import Transformer
from translator.speed import (
    ByteDropout,
    InBfloat16,
    ShortAttention,
    ShortMultiHeadAttention,
    SmoothedCrossEntropy,
    give_memory_back,
    with_parts_for_cpus,
)
from translator.vocabulary import PAD


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 7, 700])
def test_the_loss_and_its_gradient_are_torchs(rows, smoothing):
    """700 rows of 5,000 logits are several pieces, the last one shorter."""
    torch.manual_seed(rows)
    logits = (3 * torch.randn(rows, 5000)).requires_grad_()
    y = torch.randint(0, 5000, (rows,))
    y[::3] = PAD
    expected = F.cross_entropy(logits, y, ignore_index=PAD, label_smoothing=smoothing, reduction="sum")
    (wanted,) = torch.autograd.grad(2.5 * expected, logits)
    actual = SmoothedCrossEntropy.apply(logits * 1, y, smoothing)  # a copy: it is gone afterwards
    (got,) = torch.autograd.grad(2.5 * actual, logits)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_cost_no_more_than_their_rounding(dtype):
    torch.manual_seed(0)
    logits = (3 * torch.randn(50, 300)).to(dtype).requires_grad_()
    y = torch.randint(1, 300, (50,))
    expected = F.cross_entropy(logits.float(), y, ignore_index=PAD, label_smoothing=0.1, reduction="sum")
    (wanted,) = torch.autograd.grad(expected, logits)
    actual = SmoothedCrossEntropy.apply(logits * 1, y, 0.1)
    assert actual.dtype == torch.float32
    (got,) = torch.autograd.grad(actual, logits)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(got, wanted, rtol=2**-8, atol=2**-10)


def test_extreme_logits_give_no_nan():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]]).requires_grad_()
    loss = SmoothedCrossEntropy.apply(logits * 1, torch.tensor([1, 1]), 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(F.cross_entropy(logits, torch.tensor([1, 1]), label_smoothing=0.1).item() * 2)
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    X = torch.ones(301, 333, dtype=dtype, requires_grad=True)  # not a multiple of 8
    dropout = ByteDropout(p).train()
    Y = dropout(X)
    share = (Y == 0).float().mean().item()
    assert Y.dtype == dtype and share == pytest.approx(p, abs=0.006)
    assert Y.float().mean().item() == pytest.approx(1.0, abs=0.012)
    kept = Y[Y != 0]
    assert (kept == kept[0]).all()
    Y.sum().backward()
    assert torch.equal(X.grad != 0, Y != 0)
    again = dropout(X)
    assert not torch.equal(again, Y)
    rows, columns = (Y == 0).float().mean(1), (Y == 0).float().mean(0)
    assert rows.std() < 0.05 and columns.std() < 0.05  # no pattern along rows or columns
    assert dropout.eval()(X) is X


def test_everything_and_nothing_can_be_dropped():
    X = torch.randn(3, 5)
    assert torch.equal(ByteDropout(1.0)(X), torch.zeros(3, 5)) and torch.equal(ByteDropout(0.0)(X), X)


def test_the_seed_decides_what_is_dropped():
    X, dropout = torch.ones(40, 40), ByteDropout(0.5)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(dropout(X))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_the_gradient_takes_the_place_of_the_logits():
    logits = torch.randn(20, 30, requires_grad=True)
    passed = logits * 1
    loss = SmoothedCrossEntropy.apply(passed, torch.arange(20), 0.1)
    (got,) = torch.autograd.grad(loss, passed)
    assert got.data_ptr() == passed.data_ptr()


@pytest.mark.parametrize(("t", "m"), [(1, 1), (7, 7), (5, 11), (40, 3)])
@pytest.mark.parametrize("masked", ["no", "padding", "causal"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-6), (torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_attention_and_its_gradients_are_torchs(t, m, masked, dtype, close):
    torch.manual_seed(0)
    Q, K, V = (torch.randn(3, n, 2, 8).to(dtype).transpose(1, 2).requires_grad_() for n in (t, m, m))  # as heads are
    mask = None
    if masked == "padding":
        mask = torch.arange(m)[None, None, None] < torch.tensor([m, 1, max(1, m // 2)])[:, None, None, None]
    if masked == "causal":
        mask = torch.ones(1, 1, t, m, dtype=torch.bool).tril()
    expected = F.scaled_dot_product_attention(*(tensor.double() for tensor in (Q, K, V)), attn_mask=mask)
    dC = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * dC).sum(), [Q, K, V])
    actual = ShortAttention.apply(Q, K, V, mask)
    got = torch.autograd.grad((actual * dC).sum(), [Q, K, V])
    assert actual.dtype == dtype
    for one, other in zip([actual, *got], [expected, *wanted], strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=close, atol=close)


def test_attention_bears_scores_of_any_size():
    Q, K, V = torch.tensor([[1e4], [-1e4]]).expand(1, 1, 2, 1), torch.tensor([[[[3.0], [-3.0]]]]), torch.eye(2)
    assert torch.equal(ShortAttention.apply(Q, K, V[None, None], None)[0, 0], V)


def small():
    torch.manual_seed(0)
    return Transformer(30, 30, 32, 4, 2, 64, 0.1, pre_norm=True, shared=True)


def loss_and_gradients(compute, model):
    """Of one batch, teacher forcing."""
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randint(4, 30, (6, n), generator=generator) for n in (7, 9))
    logits = compute(x, torch.tensor([7, 6, 5, 4, 3, 2]), y)
    loss = F.cross_entropy(logits.float().flatten(0, 1), y.roll(-1, 1).flatten())
    model.zero_grad()
    loss.backward()
    return loss.item(), {name: parameter.grad for name, parameter in model.named_parameters()}


def test_a_model_with_parts_for_cpus_computes_the_same():
    model = small().eval()
    expected, wanted = loss_and_gradients(model, model)
    names = list(model.state_dict())
    assert with_parts_for_cpus(model) is model and list(model.state_dict()) == names
    assert [m.dropped for m in model.modules() if isinstance(m, ByteDropout)] == [26] * 11
    assert not any(isinstance(m, nn.Dropout) or type(m) is MultiHeadAttention for m in model.modules())
    assert sum(isinstance(m, ShortMultiHeadAttention) for m in model.modules()) == 6
    actual, got = loss_and_gradients(model, model)
    assert actual == pytest.approx(expected, rel=1e-5)
    for name, gradient in got.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-6)


def test_in_bfloat16_all_is_the_same_to_its_rounding_and_parameters_stay_float32():
    model = with_parts_for_cpus(small()).eval()
    expected, wanted = loss_and_gradients(model, model)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    actual, got = loss_and_gradients(InBfloat16(model), model)
    assert actual == pytest.approx(expected, rel=0.01)
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32 and torch.equal(parameter, before[name])
    for name, gradient in got.items():
        assert gradient.dtype == torch.float32
        if not name.endswith("key.bias"):  # whose gradient is zero: it adds the same to all scores of a row
            assert (gradient - wanted[name]).norm() < 0.15 * wanted[name].norm(), name


def test_a_part_that_is_not_the_references_own_is_left_alone():
    class Mine(MultiHeadAttention):
        pass

    model = nn.Sequential(Mine(8, 2), MultiHeadAttention(8, 2))
    with_parts_for_cpus(model)
    assert [type(module) for module in model] == [Mine, ShortMultiHeadAttention]


def test_memory_is_bounded_and_given_back():
    assert int(os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]) < 1024  # what it is by default
    assert give_memory_back() is None  # on every system
