"""Muon: its steps are those of torch's, whatever the dtype, and a run with it stops and goes on like any other."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training import SMALL, trainer
from torch import nn

from translator import training
from translator.muon import Muon, orthogonal
from translator.runs import BadRun, Run


@settings(deadline=None, max_examples=40)
@given(k=st.integers(1, 3), n=st.integers(1, 20), wider=st.integers(0, 20), seed=st.integers(0, 2**31))
def test_singular_values_become_about_one_and_singular_vectors_stay(k, n, wider, seed):
    M = torch.randn(k, n, n + wider, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    U, s, Vh = torch.linalg.svd(M, full_matrices=False)
    inside = U.mT @ orthogonal(M, torch.float64) @ Vh.mT  # [k, n, n]: diagonal, where the vectors stay
    values = inside.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(inside, torch.diag_embed(values), rtol=0, atol=1e-6)
    clear = s > 0.02 * M.norm(dim=(1, 2))[:, None]  # smaller ones need more than five iterations
    assert ((values > 0.6) & (values < 1.25))[clear].all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_the_size_of_a_gradient_does_not_matter(dtype, size):
    M = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0))
    expected = orthogonal(M.double(), torch.float64).float()
    torch.testing.assert_close(orthogonal(size * M, dtype).float(), expected, rtol=0, atol=0.05)


def test_no_gradient_no_step():
    p = nn.Parameter(torch.ones(3, 4))
    p.grad = torch.zeros(3, 4)
    Muon([p], lr=0.1, weight_decay=0.0, dtype=torch.float32).step()
    assert torch.equal(p, torch.ones(3, 4))


def test_a_matrix_that_nobody_used_stays():
    p, q = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(3, 4))
    p.grad = torch.ones(3, 4)
    Muon([p, q], lr=0.1, weight_decay=0.0, dtype=torch.float32).step()
    assert torch.equal(q, torch.ones(3, 4)) and not torch.equal(p, q)


def test_in_float16_it_is_refused():
    with pytest.raises(BadRun, match="train with --no-muon"):
        training.optimizers(nn.Linear(2, 2), replace(SMALL, muon=True), torch.float16)


def test_its_steps_are_those_of_torch():
    """To the rounding of bfloat16, in which torch always computes."""
    torch.manual_seed(0)
    mine = [nn.Parameter(torch.randn(shape)) for shape in [(16, 16), (16, 16), (32, 16), (16, 32)]]
    theirs = [nn.Parameter(p.detach().clone()) for p in mine]
    one = Muon(mine, lr=0.01, weight_decay=0.3, dtype=torch.float32)
    other = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.3, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        before = [p.detach().clone() for p in mine]
        for p, q in zip(mine, theirs, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        one.step()
        other.step()
        for p, q, was in zip(mine, theirs, before, strict=True):
            assert (p - q).norm() < 0.15 * (p - was).norm()


def test_matrices_inside_the_layers_are_muons_and_all_others_adamws():
    model = replace(SMALL, muon=True).model(50)
    found = training.optimizers(model, replace(SMALL, muon=True), torch.float32)
    names = {id(p): name for name, p in model.named_parameters()}
    belongs = {
        kind: {names[id(p)] for group in optimizer.param_groups for p in group["params"]}
        for kind, optimizer in found.items()
    }
    assert belongs["muon"] | belongs["optimizer"] == set(names.values()) and not belongs["muon"] & belongs["optimizer"]
    assert belongs["muon"] == {name for name in names.values() if name.endswith("weight") and ".norm" not in name
                               and "_norm" not in name and not name.startswith("embed")}  # fmt: skip
    assert list(training.optimizers(model, SMALL, torch.float32)) == ["optimizer"]


def test_it_learns(monkeypatch):
    monkeypatch.setattr(training, "precision", lambda device: torch.float32)
    one = trainer(replace(SMALL, muon=True, dropout=0.0))
    batches = training.islice(training.epochs(one.pairs, 400, 0), 60)
    losses = [loss.item() / tokens for loss, tokens in map(one.learn, batches)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_checkpoint_holds_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "precision", lambda device: torch.float32)
    config = replace(SMALL, muon=True)
    whole, first, second = (trainer(config) for _ in range(3))
    batches = list(training.islice(training.epochs(whole.pairs, 400, 0), 8))
    first.run = second.run = Run(tmp_path / "run")
    first.run.folder.mkdir()
    for indices in batches:
        whole.learn(indices)
    for indices in batches[:3]:
        first.learn(indices)
    first.save()
    second.resume()
    for indices in batches[3:]:
        second.learn(indices)
    for p, q in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(p, q)
