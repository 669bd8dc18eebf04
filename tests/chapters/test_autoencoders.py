"""Appendix A's references against the library, brute force, and what the page claims."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from autograder.reference.autoencoders import (
    denoising_loss,
    elbo,
    free_bits_loss,
    gaussian_kl,
    linear_autoencoder,
    mixture_log_prob,
    reparameterise,
    score_function_gradient,
)

EXACT = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-9, "atol": 1e-11}}
DTYPES = pytest.mark.parametrize("dtype", list(EXACT))
sizes, seeds = st.integers(1, 5), st.integers(0, 2**31)


def drawn(*shapes, dtype=torch.float64):
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def agree(actual, expected, leaves, dtype=torch.float64):
    """Two outputs and their gradients with respect to the same tensors."""
    torch.testing.assert_close(actual, expected, **EXACT[dtype])
    g = torch.randn_like(expected)
    got = torch.autograd.grad(actual, leaves, g, allow_unused=True)
    for mine, true in zip(got, torch.autograd.grad(expected, leaves, g, allow_unused=True), strict=True):
        torch.testing.assert_close(mine, true, **EXACT[dtype])


# ---- autoencoders --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 9), st.integers(1, 6), seeds)
def test_the_linear_error_is_the_sum_of_the_other_eigenvalues(n, D, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, D)) @ rng.normal(size=(D, D)) + 3
    eigenvalues = np.linalg.eigvalsh((X - X.mean(0)).T @ (X - X.mean(0)))[::-1]
    for d in range(min(n, D) + 1):
        error = ((linear_autoencoder(X, X, d) - X) ** 2).sum()
        assert error == pytest.approx(eigenvalues[d:].sum(), rel=1e-7, abs=1e-7)


def test_no_other_linear_autoencoder_is_better():
    """Random encoders and decoders, each with its best partner by least squares."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 6)) @ rng.normal(size=(6, 6)) - 2
    centred = X - X.mean(0)
    best = ((linear_autoencoder(X, X, 2) - X) ** 2).sum()
    for _ in range(200):
        code = centred @ rng.normal(size=(6, 2))
        decoder = np.linalg.lstsq(code, centred, rcond=None)[0]
        assert ((code @ decoder - centred) ** 2).sum() >= best - 1e-9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_linear_autoencoder_is_scikit_learns_pca(dtype):
    decomposition = pytest.importorskip("sklearn.decomposition")
    rng = np.random.default_rng(1)
    X, new = (rng.normal(size=(n, 7)).astype(dtype) + 1 for n in (20, 5))
    for d in (1, 4, 7):
        pca = decomposition.PCA(d).fit(X)
        expected = pca.inverse_transform(pca.transform(new))
        actual = linear_autoencoder(X, new, d)
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 if dtype == np.float32 else 1e-10)


def test_the_four_words_of_the_page():
    from autograder.reference import example

    centred = example.X - example.X.mean(0)
    np.testing.assert_allclose(np.linalg.eigvalsh(centred.T @ centred), [0.5, 3.0])
    line = linear_autoencoder(example.X, example.X, 1) - example.X.mean(0)
    np.testing.assert_allclose(line[:, 0], -3 * line[:, 1], atol=1e-12)


@DTYPES
def test_denoising_is_the_librarys_cross_entropy_of_the_clean_image(dtype):
    torch.manual_seed(0)
    weights = drawn((6, 4), (4,), (4, 6), (6,), dtype=dtype)
    x, u = (torch.rand(5, 6) < 0.4).to(dtype), torch.rand(5, 6, dtype=dtype)
    W_e, b_e, W_d, b_d = weights
    noisy = x.clone()
    for i in range(5):
        for k in range(6):
            if u[i, k] < 0.3:
                noisy[i, k] = 0.0 if x[i, k] else 1.0
    assert (noisy != x).any() and (noisy == x).any()
    expected = -Bernoulli(logits=F.relu(noisy @ W_e + b_e) @ W_d + b_d).log_prob(x).sum(1).mean()
    agree(denoising_loss(x, u, 0.3, *weights), expected, weights, dtype)


def test_the_best_denoiser_is_the_probability_of_ink():
    """The mean loss over clean pixels of which a share rho is ink is least at the logit of rho."""
    for rho in (0.1, 0.5, 0.8):
        a = torch.linspace(-5, 5, 100_001, dtype=torch.float64)
        loss = rho * F.softplus(-a) + (1 - rho) * F.softplus(a)
        assert a[loss.argmin()].sigmoid().item() == pytest.approx(rho, abs=1e-4)


# ---- Gaussians -----------------------------------------------------------------------------------------------------


@DTYPES
@settings(deadline=None, max_examples=20)
@given(batch=sizes, d=sizes, seed=seeds)
def test_a_draw_is_the_librarys_with_the_same_noise(dtype, batch, d, seed):
    torch.manual_seed(seed)
    mu, log_var = drawn((batch, d), (batch, d), dtype=dtype)
    eps = torch.randn(batch, d, dtype=dtype)
    expected = torch.distributions.AffineTransform(mu, log_var.exp().sqrt())(eps)
    agree(reparameterise(mu, log_var, eps), expected, [mu, log_var], dtype)


@DTYPES
@settings(deadline=None, max_examples=20)
@given(batch=sizes, d=sizes, seed=seeds)
def test_the_divergence_is_the_librarys_and_never_negative(dtype, batch, d, seed):
    torch.manual_seed(seed)
    leaves = drawn(*[(batch, d)] * 4, dtype=dtype)
    mu, log_var, mu_p, log_var_p = leaves
    expected = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(mu_p, (log_var_p / 2).exp())).sum(-1)
    actual = gaussian_kl(*leaves)
    agree(actual, expected, leaves, dtype)
    assert (actual >= -1e-5).all()
    torch.testing.assert_close(gaussian_kl(mu, log_var, mu, log_var), torch.zeros(batch, dtype=dtype), **EXACT[dtype])


def test_monte_carlo_comes_to_the_closed_form():
    torch.manual_seed(0)
    mu, log_var = torch.tensor([[2.0, -0.5]]).double(), torch.tensor([[-1.4, 0.6]]).double()
    q, p = Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)
    z = q.sample((400_000,))
    ratio = (q.log_prob(z) - p.log_prob(z)).sum(-1)
    error = ratio.std() / len(z) ** 0.5
    exact = gaussian_kl(mu, log_var, torch.zeros_like(mu), torch.zeros_like(mu))
    assert abs(ratio.mean() - exact.item()) < 5 * error


# ---- the bound -----------------------------------------------------------------------------------------------------


@DTYPES
@settings(deadline=None, max_examples=20)
@given(batch=sizes, D=sizes, d=sizes, beta=st.sampled_from([0.0, 0.5, 1.0, 4.0]), seed=seeds)
def test_the_bound_is_the_librarys_terms(dtype, batch, D, d, beta, seed):
    torch.manual_seed(seed)
    leaves = drawn((batch, D), (batch, d), (batch, d), dtype=dtype)
    logits, mu, log_var = leaves
    x = (torch.rand(batch, D) < 0.5).to(dtype)
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(torch.zeros_like(mu), torch.ones_like(mu)))
    expected = Bernoulli(logits=logits).log_prob(x).sum(-1) - beta * kl.sum(-1)
    agree(elbo(x, logits, mu, log_var, beta), expected, leaves, dtype)


def test_large_logits_stay_finite_with_right_gradients():
    logits = torch.tensor([[300.0, -300.0, 150.0]], requires_grad=True)
    value = elbo(torch.tensor([[1.0, 1.0, 0.0]]), logits, torch.zeros(1, 1), torch.zeros(1, 1), 1.0)
    assert value.item() == pytest.approx(-450.0)
    assert torch.autograd.grad(value.sum(), logits)[0].tolist() == [[0.0, 1.0, -1.0]]


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 6), st.floats(0.2, 5.0), seeds)
def test_bound_plus_gap_is_the_evidence(n, sharpness, seed):
    """log p(x) = ELBO + KL(q ‖ p(z | x)), for codes that are one of n things and any q."""
    rng = np.random.default_rng(seed)
    prior, q = rng.dirichlet(np.full(n, sharpness) + 0.1), rng.dirichlet(np.full(n, sharpness) + 0.1)
    given_z = rng.uniform(0.01, 1, size=n)
    evidence = prior @ given_z
    posterior = prior * given_z / evidence
    q = np.clip(q, 1e-12, None)
    bound = q @ np.log(given_z) - q @ np.log(q / prior)
    gap = q @ np.log(q / posterior)
    assert bound + gap == pytest.approx(q.sum() * math.log(evidence), abs=1e-8)
    assert bound <= math.log(evidence) + 1e-9


def test_the_bound_of_a_gaussian_model_touches_at_its_posterior():
    """z ~ N(0, 1), x | z ~ N(z, 1): p(x) = N(0, 2), and the posterior at x is N(x/2, 1/2)."""
    x, log_2pi = 2.0, math.log(2 * math.pi)

    def bound(m, s2):
        return -0.5 * (log_2pi + (x - m) ** 2 + s2) - 0.5 * (m**2 + s2 - 1 - math.log(s2))

    evidence = -0.5 * (log_2pi + math.log(2) + x**2 / 2)
    assert bound(x / 2, 0.5) == pytest.approx(evidence)
    for m, s2 in [(0.0, 1.0), (1.0, 1.0), (1.2, 0.5), (1.0, 0.1)]:
        gap = kl_divergence(Normal(m, s2**0.5), Normal(x / 2, 0.5**0.5)).item()
        assert bound(m, s2) + gap == pytest.approx(evidence, abs=1e-6) and gap > 0


# ---- gradients through chance --------------------------------------------------------------------------------------


def test_the_score_function_gradient_is_unbiased_and_the_baseline_calms_it():
    """For f(z) = Σ (z − 3)² under N(mu, sigma²): slopes 2 (mu − 3) by mu and sigma² by log sigma²."""
    rng = np.random.default_rng(0)
    mu, log_var = np.array([0.5, -1.0]), np.array([-0.7, 0.4])
    estimates = {"ours": [], "plain": []}
    for _ in range(4_000):
        z = mu + np.exp(log_var / 2) * rng.normal(size=(4, 2))
        f = ((z - 3) ** 2).sum(1)
        estimates["ours"].append(np.concatenate(score_function_gradient(f, z, mu, log_var)))
        estimates["plain"].append(np.concatenate([(f[:, None] * (z - mu) / np.exp(log_var)).mean(0)]))
    ours = np.array(estimates["ours"])
    truth = np.concatenate([2 * (mu - 3), np.exp(log_var)])
    assert (np.abs(ours.mean(0) - truth) < 5 * ours.std(0) / len(ours) ** 0.5).all()
    assert (ours[:, :2].var(0) < np.array(estimates["plain"]).var(0)).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 6), st.integers(1, 4), seeds)
def test_the_score_is_the_slope_of_log_q(k, d, seed):
    torch.manual_seed(seed)
    mu, log_var = drawn((d,), (d,))
    z, f = torch.randn(k, d, dtype=torch.float64), torch.randn(k, dtype=torch.float64)
    log_q = Normal(mu, (log_var / 2).exp()).log_prob(z).sum(-1)
    weight = torch.stack([f[i] - f[torch.arange(k) != i].mean() for i in range(k)])
    expected = torch.autograd.grad((weight * log_q).mean(), [mu, log_var])
    actual = score_function_gradient(*(a.detach().numpy() for a in (f, z, mu, log_var)))
    for mine, true in zip(actual, expected, strict=True):
        np.testing.assert_allclose(mine, true.numpy(), rtol=1e-9, atol=1e-11)


def test_a_constant_added_to_f_changes_nothing():
    rng = np.random.default_rng(2)
    f, z, mu, log_var = rng.normal(size=5), rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3)
    for a, b in zip(
        score_function_gradient(f, z, mu, log_var), score_function_gradient(f + 100, z, mu, log_var), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_the_variances_worked_out_by_hand():
    """f(z) = z², q = N(mu, 1): pathwise 4, score mu⁴ + 14 mu² + 15, by Gauss–Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    for mu in (0.0, 1.0, 3.0, -0.7):
        z = mu + nodes
        for estimate, variance in [(2 * z, 4), (z**2 * nodes, mu**4 + 14 * mu**2 + 15)]:
            mean = weights @ estimate
            assert mean == pytest.approx(2 * mu, abs=1e-9)
            assert weights @ estimate**2 - mean**2 == pytest.approx(variance)


# ---- a mixture, and free bits --------------------------------------------------------------------------------------


@DTYPES
@settings(deadline=None, max_examples=20)
@given(batch=sizes, d=sizes, K=sizes, seed=seeds)
def test_the_mixture_is_the_librarys(dtype, batch, d, K, seed):
    torch.manual_seed(seed)
    leaves = drawn((batch, d), (K,), (K, d), (K, d), dtype=dtype)
    z, logits, means, log_vars = leaves
    components = Independent(Normal(means, (log_vars / 2).exp()), 1)
    expected = MixtureSameFamily(Categorical(logits=logits), components).log_prob(z)
    log_p, shares = mixture_log_prob(*leaves)
    agree(log_p, expected, leaves, dtype)
    torch.testing.assert_close(shares.sum(-1), torch.ones(batch, dtype=dtype), **EXACT[dtype])
    by_bayes = logits.softmax(0) * components.log_prob(z[:, None]).exp() / expected.exp()[:, None]
    if expected.min() > -50:  # no density has vanished
        torch.testing.assert_close(shares, by_bayes, rtol=1e-3, atol=1e-4)


def test_far_from_all_components_everything_is_finite():
    z = torch.full((1, 2), 1e3, requires_grad=True)
    log_p, shares = mixture_log_prob(z, torch.zeros(3), torch.randn(3, 2), torch.zeros(3, 2))
    (slope,) = torch.autograd.grad(log_p.sum(), z)
    assert log_p.isfinite().all() and shares.isfinite().all() and slope.isfinite().all()


def test_one_component_is_the_plain_prior():
    mu, log_var, eps = torch.randn(3, 4, 2, dtype=torch.float64)
    z = reparameterise(mu, log_var, eps)
    log_p, _ = mixture_log_prob(z, torch.zeros(1).double(), torch.zeros(1, 2).double(), torch.zeros(1, 2).double())
    torch.testing.assert_close(log_p, Normal(0.0, 1.0).log_prob(z).sum(-1))


@DTYPES
def test_free_bits_by_brute_force(dtype):
    torch.manual_seed(0)
    log_likelihood = torch.randn(5, dtype=dtype, requires_grad=True)
    kl = (torch.rand(5, 4, dtype=dtype) * torch.tensor([0.1, 0.6, 1.2, 2.0], dtype=dtype)).requires_grad_()
    expected = -log_likelihood.mean()
    for j in range(4):
        mean = kl[:, j].mean()
        expected = expected + (mean if mean > 0.5 else 0.5)
    actual = free_bits_loss(log_likelihood, kl, 0.5)
    agree(actual, expected, [log_likelihood, kl], dtype)
    (slope,) = torch.autograd.grad(free_bits_loss(log_likelihood, kl, 0.5), kl)
    assert (slope[:, 0] == 0).all() and (slope[:, 3] > 0).all()
