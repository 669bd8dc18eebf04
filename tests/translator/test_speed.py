"""The fast loss and the fast dropout give what torch's own give."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from translator.speed import ByteDropout, SmoothedCrossEntropy, with_byte_dropout
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
    actual = SmoothedCrossEntropy.apply(logits, y, smoothing)
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
    actual = SmoothedCrossEntropy.apply(logits, y, 0.1)
    assert actual.dtype == torch.float32
    (got,) = torch.autograd.grad(actual, logits)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(got, wanted, rtol=2**-8, atol=2**-10)


def test_extreme_logits_give_no_nan():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]]).requires_grad_()
    loss = SmoothedCrossEntropy.apply(logits, torch.tensor([1, 1]), 0.1)
    loss.backward()
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


def test_all_dropouts_of_a_model_are_replaced_and_its_weights_stay():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.25), nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 4)))
    names = list(model.state_dict())
    assert with_byte_dropout(model) is model and list(model.state_dict()) == names
    assert [m.dropped for m in model.modules() if isinstance(m, ByteDropout)] == [64, 128]
    assert not any(isinstance(m, nn.Dropout) for m in model.modules())
