"""Appendix A: what the exercises on autoencoders and their codes ask of a candidate."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import autoencoders as vae

ASSIGNMENT = "A-autoencoders"


def slopes_but_of_pixels(candidate, x, **inputs):
    """`probe.call_with_gradients`, except that nobody asks how the loss changes with the pixels."""
    return probe.with_gradients(lambda **others: candidate(x=x, **others), inputs, {})


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


def pixels(rng, dtype, *shape):
    """Zeros and ones, of both at least one."""
    x = (rng.random(shape) < 0.4).astype(dtype)
    x.flat[:2] = 1, 0
    return x


# ---- linear_autoencoder --------------------------------------------------------------------------------------------


def linear_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[3.0, 1.0], [1.0, 3.0], [5.0, 5.0], [7.0, 7.0]]),
            "X_new": np.array([[7.0, 3.0]]),
            "d": 1,
        },
    )
    for n, D, d, batch, dtype in [
        (9, 4, 2, 3, np.float64),
        (12, 5, 3, 7, np.float32),
        (5, 7, 2, 4, np.float64),
        (11, 6, 1, 2, np.float64),
    ]:
        draw = normal(rng, dtype)
        # Variances that fall clearly, in directions that are not the axes, and a mean far from 0.
        spread = (3.0 * 0.6 ** np.arange(D))[:, None] * np.linalg.qr(rng.normal(size=(D, D)))[0]
        yield Case(
            f"{n} points of {D} numbers, {batch} new ones, a code of {d}, {np.dtype(dtype)}",
            {
                "X": (draw(n, D) @ spread + 2 + np.arange(D)).astype(dtype),
                "X_new": (draw(batch, D) @ spread + 1).astype(dtype),
                "d": d,
            },
        )
    draw = normal(rng, np.float64)
    yield Case("a code of no numbers at all", {"X": draw(6, 3) + 1, "X_new": draw(2, 3), "d": 0})
    yield Case("a code as wide as the data", {"X": draw(8, 3) + 1, "X_new": draw(2, 3), "d": 3})


def _linear(centre=None, add=None, directions=None):
    """A wrong ``linear_autoencoder``: the right one with some of its steps replaced."""

    def candidate(X, X_new, d):
        mean = X.mean(axis=0) if centre is None else centre(X, X_new)
        Vt = np.linalg.svd(X - (X.mean(axis=0) if centre is None else mean), full_matrices=False)[2]
        V = Vt[:d].T if directions is None else directions(X, Vt, d)
        return (mean if add is None else add(mean)) + (X_new - mean) @ V @ V.T

    return candidate


def _linear_not_centred(X, X_new, d):
    V = np.linalg.svd(X, full_matrices=False)[2][:d].T
    return X_new @ V @ V.T


def _linear_svd_not_centred(X, X_new, d):
    mean = X.mean(axis=0)
    V = np.linalg.svd(X, full_matrices=False)[2][:d].T
    return mean + (X_new - mean) @ V @ V.T


def _linear_own_mean(X, X_new, d):
    mean = X.mean(axis=0)
    V = np.linalg.svd(X - mean, full_matrices=False)[2][:d].T
    return X_new.mean(axis=0) + (X_new - X_new.mean(axis=0)) @ V @ V.T


def _linear_standardised(X, X_new, d):
    mean, scale = X.mean(axis=0), X.std(axis=0)
    V = np.linalg.svd((X - mean) / scale, full_matrices=False)[2][:d].T
    return mean + (X_new - mean) / scale @ V @ V.T * scale


def _linear_fitted_to_new(X, X_new, d):
    return vae.linear_autoencoder(X_new, X_new, min(d, *X_new.shape))


def _linear_eigh(X, X_new, d):
    mean = X.mean(axis=0)
    _, V = np.linalg.eigh(np.cov(X.T, dtype=X.dtype))  # least variance first
    V = V[:, V.shape[1] - d :]
    return mean + (X_new - mean) @ V @ V.T


def _linear_least_squares(X, X_new, d):
    """Without V Vᵀ: the code by least squares against the decoder's rows."""
    mean = X.mean(axis=0)
    Vt = np.linalg.svd(X - mean, full_matrices=False)[2][:d]
    code = np.linalg.lstsq(Vt.T, (X_new - mean).T, rcond=None)[0].T if d else np.zeros((len(X_new), 0), X.dtype)
    return code @ Vt + mean


def _linear_loops(X, X_new, d):
    mean = X.mean(axis=0)
    _, _, Vt = np.linalg.svd(X - mean, full_matrices=False)
    out = np.repeat(mean[None], len(X_new), axis=0)
    for v in Vt[:d]:
        for row, x in zip(out, X_new, strict=True):
            row += ((x - mean) @ v) * v
    return out


# ---- denoising_loss ------------------------------------------------------------------------------------------------


def denoising_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([[1.0, 0.0]]),
            "u": np.array([[0.7, 0.1]]),
            "p": 0.2,
            "W_e": np.array([[1.0], [2.0]]),
            "b_e": np.array([-1.0]),
            "W_d": np.array([[np.log(3.0), 0.0]]),
            "b_d": np.array([-np.log(3.0), 0.0]),
        },
    )
    for batch, D, d, p, dtype in [
        (3, 5, 2, 0.3, np.float64),
        (4, 6, 3, 0.4, np.float32),
        (2, 4, 5, 0.5, np.float64),
        (1, 7, 3, 0.25, np.float64),
    ]:
        yield Case(
            f"batch {batch}, {D} pixels, a code of {d}, p = {p}, {np.dtype(dtype)}",
            denoising(rng, batch, D, d, p, dtype),
        )
    yield Case("nothing is flipped, p = 0", denoising(rng, 3, 4, 2, 0.0, np.float64))
    sure = denoising(rng, 2, 3, 2, 0.4, np.float32)
    yield Case("logits of some hundreds", sure | {"b_d": np.array([300.0, -400.0, 200.0], dtype=np.float32)})


def denoising(rng, batch, D, d, p, dtype):
    draw, u = normal(rng, dtype), rng.random((batch, D)).astype(dtype)
    x = pixels(rng, dtype, batch, D)
    if p:
        u.flat[:2] = p / 2  # a one and a zero that are flipped
        u.flat[2] = (1 + p) / 2
    return {
        "x": x,
        "u": u,
        "p": p,
        "W_e": draw(D, d),
        "b_e": draw(d) + 1,
        "W_d": draw(d, D),
        "b_d": draw(D),
    }


def _denoising(corrupt=None, target=None, hidden=torch.relu, reduce=None):
    """A wrong ``denoising_loss``: the right one with some of its steps replaced."""

    def candidate(x, u, p, W_e, b_e, W_d, b_d):
        noisy = torch.where(u < p, 1 - x, x) if corrupt is None else corrupt(x, u, p)
        logits = hidden(noisy @ W_e + b_e) @ W_d + b_d
        wanted = x if target is None else target(x, noisy)
        losses = F.softplus(logits) - wanted * logits  # [batch, D]
        return losses.sum() / len(x) if reduce is None else reduce(losses)

    return candidate


def _denoising_squared(x, u, p, W_e, b_e, W_d, b_d):
    noisy = torch.where(u < p, 1 - x, x)
    logits = torch.relu(noisy @ W_e + b_e) @ W_d + b_d
    return (logits.sigmoid() - x).square().sum() / len(x)


def _denoising_unstable(x, u, p, W_e, b_e, W_d, b_d):
    noisy = torch.where(u < p, 1 - x, x)
    pi = torch.sigmoid(torch.relu(noisy @ W_e + b_e) @ W_d + b_d)
    return -(x * pi.log() + (1 - x) * (1 - pi).log()).sum(1).mean()


def _denoising_arithmetic(x, u, p, W_e, b_e, W_d, b_d):
    flip = (u < p).to(x)
    noisy = x * (1 - flip) + (1 - x) * flip
    logits = F.linear(F.relu(F.linear(noisy, W_e.T, b_e)), W_d.T, b_d)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()


def _denoising_logsigmoid(x, u, p, W_e, b_e, W_d, b_d):
    noisy = (x - (u < p).to(x)).abs()
    logits = (noisy @ W_e + b_e).clamp(min=0) @ W_d + b_d
    return -torch.where(x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)).sum(-1).mean()


# ---- reparameterise ------------------------------------------------------------------------------------------------


def reparameterise_cases(rng):
    yield Case(
        "the worked example",
        {
            "mu": np.array([[1.0, 5.0]]),
            "log_var": np.array([[0.0, np.log(4.0)]]),
            "eps": np.array([[2.0, -3.0]]),
        },
    )
    for batch, d, dtype in [(3, 2, np.float64), (5, 4, np.float32), (2, 7, np.float64), (4, 1, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, a code of {d}, {np.dtype(dtype)}",
            {"mu": draw(batch, d), "log_var": draw(batch, d), "eps": draw(batch, d)},
        )
    yield Case(
        "variances from e⁻²⁰ to e¹⁰",
        {
            "mu": draw(2, 3),
            "log_var": np.array([[-20.0, 0.5, 10.0], [10.0, -20.0, -1.0]]),
            "eps": draw(2, 3),
        },
    )


def _reparameterise_log_var_is_var(mu, log_var, eps):
    return mu + log_var.abs().sqrt() * eps


def _reparameterise_log_var_is_sigma(mu, log_var, eps):
    return mu + log_var * eps


def _reparameterise_variance_for_sigma(mu, log_var, eps):
    return mu + log_var.exp() * eps


def _reparameterise_inverse(mu, log_var, eps):
    return mu + (-log_var / 2).exp() * eps


def _reparameterise_shared(mu, log_var, eps):
    return mu + (log_var / 2).exp() * eps[:1]


def _reparameterise_shared_in_row(mu, log_var, eps):
    return mu + (log_var / 2).exp() * eps[:, :1]


def _reparameterise_detached(mu, log_var, eps):
    return (mu + (log_var / 2).exp() * eps).detach()


def _reparameterise_sigma_detached(mu, log_var, eps):
    return mu + (log_var / 2).exp().detach() * eps


def _reparameterise_no_noise(mu, log_var, eps):
    return mu + (log_var / 2).exp()


def _reparameterise_own_noise(mu, log_var, eps):
    return mu + (log_var / 2).exp() * torch.randn_like(mu)


def _reparameterise_scaled_mean(mu, log_var, eps):
    return (log_var / 2).exp() * (mu + eps)


def _reparameterise_root(mu, log_var, eps):
    return torch.addcmul(mu, log_var.exp().sqrt(), eps)


def _reparameterise_library(mu, log_var, eps):
    from torch.distributions import AffineTransform

    return AffineTransform(mu, torch.exp(0.5 * log_var))(eps)


def _reparameterise_loops(mu, log_var, eps):
    rows = [
        torch.stack([m + math.e ** (v / 2) * e for m, v, e in zip(*row, strict=True)])
        for row in zip(mu, log_var, eps, strict=True)
    ]
    return torch.stack(rows)


# ---- gaussian_kl ---------------------------------------------------------------------------------------------------


def kl_cases(rng):
    yield Case(
        "the worked example",
        {
            "mu": np.array([[1.0, 3.0]]),
            "log_var": np.array([[0.0, np.log(4.0)]]),
            "mu_p": np.array([[0.0, 1.0]]),
            "log_var_p": np.array([[0.0, np.log(2.0)]]),
        },
    )
    for batch, d, dtype in [(3, 2, np.float64), (5, 4, np.float32), (2, 6, np.float64), (4, 1, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, a code of {d}, {np.dtype(dtype)}",
            {name: draw(batch, d) for name in ("mu", "log_var", "mu_p", "log_var_p")},
        )
    draw = normal(rng, np.float64)
    zeros = np.zeros((3, 2))
    yield Case(
        "against the standard normal", {"mu": draw(3, 2), "log_var": draw(3, 2), "mu_p": zeros, "log_var_p": zeros}
    )
    mu, log_var = draw(2, 3), draw(2, 3)
    yield Case("of a distribution from itself", {"mu": mu, "log_var": log_var, "mu_p": mu, "log_var_p": log_var})


def _kl(half=0.5, one=1.0, square=lambda a: a**2, variance=torch.exp, logs=None, reduce=lambda a: a.sum(-1)):
    """A wrong ``gaussian_kl``: the right one with some of its parts replaced."""

    def candidate(mu, log_var, mu_p, log_var_p):
        squared = variance(log_var) + square(mu - mu_p)
        ratio = log_var_p - log_var if logs is None else logs(log_var, log_var_p)
        return reduce(half * (ratio + squared / variance(log_var_p) - one))

    return candidate


def _kl_reversed(mu, log_var, mu_p, log_var_p):
    return vae.gaussian_kl(mu_p, log_var_p, mu, log_var)


def _kl_standard(mu, log_var, mu_p, log_var_p):
    return vae.gaussian_kl(mu, log_var, torch.zeros_like(mu_p), torch.zeros_like(log_var_p))


def _kl_mean_not_divided(mu, log_var, mu_p, log_var_p):
    return 0.5 * (log_var_p - log_var + (log_var - log_var_p).exp() + (mu - mu_p) ** 2 - 1).sum(-1)


def _kl_library(mu, log_var, mu_p, log_var_p):
    from torch.distributions import Normal, kl_divergence

    return kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(mu_p, (log_var_p / 2).exp())).sum(-1)


def _kl_from_entropies(mu, log_var, mu_p, log_var_p):
    """Cross-entropy less entropy, each with its own log 2π."""
    cross = 0.5 * (math.log(2 * math.pi) + log_var_p + (log_var.exp() + (mu - mu_p).square()) * (-log_var_p).exp())
    entropy = 0.5 * (math.log(2 * math.pi) + log_var + 1)
    return (cross - entropy).sum(1)


def _kl_loops(mu, log_var, mu_p, log_var_p):
    rows = []
    for m, lv, m_p, lv_p in zip(mu, log_var, mu_p, log_var_p, strict=True):
        rows.append(
            sum(
                -0.5 + (b - a) / 2 + (a.exp() + (x - y) ** 2) / (2 * b.exp())
                for x, a, y, b in zip(m, lv, m_p, lv_p, strict=True)
            )
        )
    return torch.stack(rows)


# ---- elbo ----------------------------------------------------------------------------------------------------------


def elbo_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([[1.0, 0.0]]),
            "logits": np.array([[np.log(3.0), 0.0]]),
            "mu": np.array([[1.0, 2.0]]),
            "log_var": np.array([[0.0, 0.0]]),
            "beta": 1.0,
        },
    )
    for batch, D, d, beta, dtype in [
        (3, 5, 2, 1.0, np.float64),
        (4, 7, 3, 1.0, np.float32),
        (2, 3, 5, 0.25, np.float64),
        (1, 6, 4, 4.0, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, {D} pixels, a code of {d}, beta = {beta:g}, {np.dtype(dtype)}",
            {
                "x": pixels(rng, dtype, batch, D),
                "logits": 2 * draw(batch, D),
                "mu": draw(batch, d),
                "log_var": draw(batch, d),
                "beta": beta,
            },
        )
    draw = normal(rng, np.float32)
    yield Case(
        "logits of some hundreds",
        {
            "x": np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], dtype=np.float32),
            "logits": np.array([[300.0, -300.0, -200.0], [120.0, 150.0, -400.0]], dtype=np.float32),
            "mu": draw(2, 2),
            "log_var": draw(2, 2),
            "beta": 1.0,
        },
    )


def _log_likelihood(x, logits):
    return x * logits - F.softplus(logits)  # [batch, D]


def _kl_to_standard(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var)  # [batch, d]


def _elbo(likelihood=_log_likelihood, kl=_kl_to_standard, over_pixels=lambda a: a.sum(-1), finish=None):
    """A wrong ``elbo``: the right one with some of its steps replaced."""

    def candidate(x, logits, mu, log_var, beta):
        a, b = over_pixels(likelihood(x, logits)), kl(mu, log_var).sum(-1)
        return a - beta * b if finish is None else finish(a, b, beta)

    return candidate


def _elbo_unstable(x, logits):
    pi = logits.sigmoid()
    return x * pi.log() + (1 - x) * (1 - pi).log()


def _elbo_clamped(x, logits):
    pi = logits.sigmoid().clamp(1e-7, 1 - 1e-7)
    return x * pi.log() + (1 - x) * (1 - pi).log()


def _elbo_library(x, logits, mu, log_var, beta):
    from torch.distributions import Bernoulli, Normal, kl_divergence

    kl = kl_divergence(Normal(mu, torch.exp(log_var / 2)), Normal(torch.zeros_like(mu), torch.ones_like(mu)))
    return Bernoulli(logits=logits).log_prob(x).sum(-1) - beta * kl.sum(-1)


def _elbo_bce(x, logits, mu, log_var, beta):
    loss = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)
    return -loss + beta * 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=1)


def _elbo_loops(x, logits, mu, log_var, beta):
    rows = []
    for pixel, logit, m, v in zip(x, logits, mu, log_var, strict=True):
        signed = torch.where(pixel > 0, logit, -logit)
        kl = sum(0.5 * (a * a + b.exp() - b - 1) for a, b in zip(m, v, strict=True))
        rows.append(F.logsigmoid(signed).sum() - beta * kl)
    return torch.stack(rows)


# ---- free_bits_loss ------------------------------------------------------------------------------------------------


def free_bits_cases(rng):
    yield Case(
        "the worked example",
        {
            "log_likelihood": np.array([-10.0, -14.0]),
            "kl": np.array([[0.0, 3.0, 0.2], [1.4, 1.0, 0.1]]),
            "free": 0.5,
        },
    )
    for batch, d, free, dtype in [
        (3, 2, 0.5, np.float64),
        (5, 4, 0.4, np.float32),
        (4, 6, 0.7, np.float64),
        (2, 7, 0.3, np.float64),
    ]:
        # Entries whose mean lies on either side of what is free, and that differ from row to row.
        level = free * (0.4 + 1.4 * (np.arange(d) % 2))
        yield Case(
            f"batch {batch}, a code of {d}, {free:g} nats free, {np.dtype(dtype)}",
            {
                "log_likelihood": (-20 + 3 * rng.normal(size=batch)).astype(dtype),
                "kl": (level * rng.exponential(size=(batch, d)) + 0.01).astype(dtype),
                "free": free,
            },
        )
    yield Case(
        "nothing is free",
        {"log_likelihood": -rng.exponential(size=3), "kl": rng.exponential(size=(3, 4)), "free": 0.0},
    )
    yield Case(
        "everything is free",
        {"log_likelihood": -rng.exponential(size=3), "kl": 0.1 * rng.random((3, 5)), "free": 2.0},
    )


def _free_each_row(log_likelihood, kl, free):
    return kl.clamp(min=free).sum(-1).mean() - log_likelihood.mean()


def _free_whole_code(log_likelihood, kl, free):
    return kl.mean(0).sum().clamp(min=free) - log_likelihood.mean()


def _free_ceiling(log_likelihood, kl, free):
    return kl.mean(0).clamp(max=free).sum() - log_likelihood.mean()


def _free_subtracted(log_likelihood, kl, free):
    return (kl.mean(0) - free).clamp(min=0).sum() - log_likelihood.mean()


def _free_ignored(log_likelihood, kl, free):
    return kl.sum(-1).mean() - log_likelihood.mean()


def _free_averaged(log_likelihood, kl, free):
    return kl.mean(0).clamp(min=free).mean() - log_likelihood.mean()


def _free_sign(log_likelihood, kl, free):
    return kl.mean(0).clamp(min=free).sum() + log_likelihood.mean()


def _free_bound(log_likelihood, kl, free):
    return log_likelihood.mean() - kl.mean(0).clamp(min=free).sum()


def _free_bonus(log_likelihood, kl, free):
    return kl.mean(0).sum() - free * kl.shape[1] - log_likelihood.mean()


def _free_maximum(log_likelihood, kl, free):
    means = torch.einsum("bj->j", kl) / len(kl)
    return -log_likelihood.sum() / len(log_likelihood) + torch.maximum(means, torch.full_like(means, free)).sum()


def _free_where(log_likelihood, kl, free):
    means = kl.mean(dim=0)
    return torch.where(means > free, means, torch.full_like(means, free)).sum() - log_likelihood.mean()


def _free_loops(log_likelihood, kl, free):
    return sum(max(column.mean(), column.mean().detach() * 0 + free) for column in kl.T) - log_likelihood.mean()


# ---- score_function_gradient ---------------------------------------------------------------------------------------


def score_cases(rng):
    yield Case(
        "the worked example",
        {
            "f": np.array([4.0, 1.0]),
            "z": np.array([[5.0], [1.0]]),
            "mu": np.array([1.0]),
            "log_var": np.array([np.log(4.0)]),
        },
    )
    for k, d, dtype in [(3, 2, np.float64), (7, 3, np.float32), (5, 1, np.float64), (2, 4, np.float64)]:
        draw = normal(rng, dtype)
        mu, log_var = draw(d), draw(d)
        yield Case(
            f"{k} draws, a code of {d}, {np.dtype(dtype)}",
            {
                "f": 5 + 2 * draw(k),
                "z": (mu + np.exp(log_var / 2) * draw(k, d)).astype(dtype),
                "mu": mu,
                "log_var": log_var,
            },
        )
    yield Case(
        "f the same for all draws: no slope to be seen",
        {"f": np.full(4, 3.0), "z": normal(rng, np.float64)(4, 2), "mu": np.zeros(2), "log_var": np.zeros(2)},
    )


def others_mean(f):
    return (f.sum() - f) / (len(f) - 1)


def _score(baseline=others_mean, of_mu=None, of_log_var=None, reduce=lambda a: a.mean(0)):
    """A wrong ``score_function_gradient``: the right one with some of its parts replaced."""

    def candidate(f, z, mu, log_var):
        weight, var = (f - baseline(f))[:, None], np.exp(log_var)
        slope = (z - mu) / var if of_mu is None else of_mu(z - mu, var)
        of_var = ((z - mu) ** 2 / var - 1) / 2 if of_log_var is None else of_log_var((z - mu) ** 2, var)
        return reduce(weight * slope).astype(f.dtype), reduce(weight * of_var).astype(f.dtype)

    return candidate


def _score_log_f(f, z, mu, log_var):
    return vae.score_function_gradient(np.log(np.abs(f) + 1e-6).astype(f.dtype), z, mu, log_var)


def _score_autograd(f, z, mu, log_var):
    """The slope of log q by torch."""
    mu, log_var, z = (torch.from_numpy(a).requires_grad_() for a in (mu, log_var, z))
    log_q = torch.distributions.Normal(mu, (log_var / 2).exp()).log_prob(z.detach()).sum(-1)
    weight = torch.from_numpy(np.array(f - others_mean(f)))
    return tuple(g.numpy() for g in torch.autograd.grad((weight * log_q).mean(), (mu, log_var)))


def _score_one_scaled_mean(f, z, mu, log_var):
    """f − mean of the others = (f − mean of all)·k / (k − 1)."""
    k, var = len(f), np.exp(log_var)
    weight = f - f.mean()
    of_mu, of_log_var = weight @ ((z - mu) / var), weight @ ((z - mu) ** 2 / var - 1) / 2
    return (of_mu / (k - 1)).astype(f.dtype), (of_log_var / (k - 1)).astype(f.dtype)


def _score_loops(f, z, mu, log_var):
    k, d = z.shape
    out = np.zeros((2, d), dtype=f.dtype)
    for i in range(k):
        b = np.mean([f[other] for other in range(k) if other != i])
        for j in range(d):
            away = z[i, j] - mu[j]
            out[0, j] += (f[i] - b) * away * math.exp(-log_var[j]) / k
            out[1, j] += (f[i] - b) * (away**2 * math.exp(-log_var[j]) - 1) / (2 * k)
    return out[0], out[1]


# ---- mixture_log_prob ----------------------------------------------------------------------------------------------


def mixture_cases(rng):
    yield Case(
        "the worked example",
        {
            "z": np.array([[0.0]]),
            "logits": np.array([np.log(3.0), 0.0]),
            "means": np.array([[0.0], [2.0]]),
            "log_vars": np.array([[0.0], [np.log(4.0)]]),
        },
    )
    for batch, d, K, dtype in [
        (3, 2, 4, np.float64),
        (5, 3, 2, np.float32),
        (2, 4, 5, np.float64),
        (4, 1, 3, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, a code of {d}, {K} components, {np.dtype(dtype)}",
            {"z": draw(batch, d), "logits": draw(K), "means": draw(K, d), "log_vars": draw(K, d)},
        )
    draw = normal(rng, np.float64)
    yield Case("one component", {"z": draw(3, 2), "logits": draw(1) + 1, "means": draw(1, 2), "log_vars": draw(1, 2)})
    draw = normal(rng, np.float32)
    yield Case(
        "points far from every component",
        {"z": 60 * draw(3, 2) + 200, "logits": draw(3), "means": draw(3, 2), "log_vars": 0.3 * draw(3, 2)},
    )


def _mixture(
    variance=torch.exp,
    constant=None,
    weigh=lambda logits: logits.log_softmax(0),
    add_up=lambda joint: joint.logsumexp(-1),
    share=lambda joint: joint.softmax(-1),
):
    """A wrong ``mixture_log_prob``: the right one with some of its steps replaced."""

    def candidate(z, logits, means, log_vars):
        apart = (z[:, None] - means) ** 2 / variance(log_vars)
        log_2pi = math.log(2 * math.pi)
        log_normal = -0.5 * (apart + log_vars).sum(-1)
        log_normal = log_normal - (0.5 * z.shape[1] * log_2pi if constant is None else constant)
        joint = weigh(logits) + log_normal
        return add_up(joint), share(joint)

    return candidate


def _mixture_mean_of_logs(z, logits, means, log_vars):
    apart = (z[:, None] - means) ** 2 / log_vars.exp()
    log_normal = -0.5 * (apart + log_vars + math.log(2 * math.pi)).sum(-1)
    return log_normal @ logits.softmax(0), (logits.log_softmax(0) + log_normal).softmax(-1)


def _mixture_shares_are_weights(z, logits, means, log_vars):
    return vae.mixture_log_prob(z, logits, means, log_vars)[0], logits.softmax(0).expand(len(z), -1)


def _mixture_averaged_first(z, logits, means, log_vars):
    pi = logits.softmax(0)
    m, v = pi @ means, pi @ log_vars.exp()
    log_p = -0.5 * ((z - m) ** 2 / v + v.log() + math.log(2 * math.pi)).sum(-1)
    return log_p, vae.mixture_log_prob(z, logits, means, log_vars)[1]


def _mixture_no_half_log_var(z, logits, means, log_vars):
    apart = (z[:, None] - means) ** 2 / log_vars.exp()
    log_normal = -0.5 * (apart + math.log(2 * math.pi)).sum(-1)
    joint = logits.log_softmax(0) + log_normal
    return joint.logsumexp(-1), joint.softmax(-1)


def _mixture_library(z, logits, means, log_vars):
    from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

    components = Independent(Normal(means, (log_vars / 2).exp()), 1)
    mixture = MixtureSameFamily(Categorical(logits=logits), components)
    joint = components.log_prob(z[:, None]) + Categorical(logits=logits).logits
    return mixture.log_prob(z), (joint - mixture.log_prob(z)[:, None]).exp()


def _mixture_by_hand(z, logits, means, log_vars):
    """Each component in a loop, the largest exponent taken out."""
    joint = []
    for weight, m, v in zip(logits - logits.logsumexp(0), means, log_vars, strict=True):
        joint.append(weight - 0.5 * ((z - m) ** 2 * (-v).exp() + v + math.log(2 * math.pi)).sum(-1))
    joint = torch.stack(joint, 1)
    top = joint.max(1, keepdim=True).values.detach()
    total = (joint - top).exp().sum(1, keepdim=True)
    return (top + total.log())[:, 0], (joint - top).exp() / total


EXERCISES = [
    Exercise(
        name="linear_autoencoder",
        assignment=ASSIGNMENT,
        section="vae-pca",
        points=2,
        difficulty=3,
        minutes=20,
        reference=vae.linear_autoencoder,
        probe=probe.call,
        cases=linear_cases,
        mistakes=[
            Mistake(
                "mean not subtracted",
                _linear_not_centred,
                "Your directions go through the origin. The data lie around their mean, so most of the first direction "
                "is spent on pointing there.",
                "vae-pca",
            ),
            Mistake(
                "directions of the data with their mean",
                _linear_svd_not_centred,
                "What you project is centred, but the directions come from data that are not.",
                "vae-pca",
            ),
            Mistake(
                "mean not added back",
                _linear(add=lambda mean: 0 * mean),
                "You return what is left after the mean was taken off. Are these images?",
                "vae-hand",
            ),
            Mistake(
                "mean of the new data",
                _linear_own_mean,
                "You centre X_new by its own mean. The mean is a part of the decoder (its bias), fitted to X like the "
                "rest.",
                "vae-pca",
            ),
            Mistake(
                "fitted to the new data",
                _linear_fitted_to_new,
                "Mean and directions come from X_new. Everything that is fitted is fitted to X.",
                "vae-pca",
            ),
            Mistake(
                "the directions of least variance",
                _linear(directions=lambda X, Vt, d: Vt[len(Vt) - d :].T),
                "You keep the directions in which the data vary least, and throw the others away. In which order does "
                "your routine return them?",
                "vae-pca",
            ),
            Mistake(
                "columns for rows",
                _linear(directions=lambda X, Vt, d: Vt[:, :d]),
                "np.linalg.svd returns V transposed: its rows are the directions, not its columns.",
                "vae-pca",
            ),
            Mistake(
                "each pixel standardised",
                _linear_standardised,
                "You divide by the standard deviations first. That is PCA of the correlations: it counts the error of "
                "each pixel in a unit of its own, and the plain squared error becomes larger.",
                "vae-pca",
            ),
            Mistake(
                "the first d pixels",
                _linear(directions=lambda X, Vt, d: np.eye(Vt.shape[1], d, dtype=X.dtype)),
                "You keep the first d numbers of each row as they are and give the mean for the rest. Which d "
                "directions lose least?",
                "vae-hand",
            ),
        ],
        alternatives=[_linear_eigh, _linear_least_squares, _linear_loops],
    ),
    Exercise(
        name="denoising_loss",
        assignment=ASSIGNMENT,
        section="vae-denoise",
        points=2,
        difficulty=2,
        minutes=15,
        reference=vae.denoising_loss,
        probe=slopes_but_of_pixels,
        cases=denoising_cases,
        mistakes=[
            Mistake(
                "the noisy image as target",
                _denoising(target=lambda x, noisy: noisy),
                "You ask for the noise to be given back. The target of a denoising autoencoder is the image as it was "
                "before.",
                "vae-denoise",
            ),
            Mistake(
                "nothing corrupted",
                _denoising(corrupt=lambda x, u, p: x),
                "The encoder sees the clean image, so there is nothing to repair.",
                "vae-denoise",
            ),
            Mistake(
                "flipped where u is above p",
                _denoising(corrupt=lambda x, u, p: torch.where(u < p, x, 1 - x)),
                "You flip most pixels and leave a few. Which values of u, uniform between 0 and 1, come up with "
                "probability p?",
                "vae-denoise",
            ),
            Mistake(
                "set to 0 and not flipped",
                _denoising(corrupt=lambda x, u, p: torch.where(u < p, torch.zeros_like(x), x)),
                "You remove ink, but never add any. A flip turns a 0 into a 1 as well.",
                "vae-denoise",
            ),
            Mistake(
                "averaged over the pixels",
                _denoising(reduce=lambda losses: losses.mean()),
                "The loss of an image is the sum over its pixels. Only over the batch it is a mean.",
                "vae-mean",
            ),
            Mistake(
                "summed over the batch",
                _denoising(reduce=lambda losses: losses.sum()),
                "Your loss grows with the batch. Over the rows it is a mean.",
                "vae-denoise",
            ),
            Mistake(
                "relu forgotten",
                _denoising(hidden=lambda a: a),
                "Without the relu the whole network is linear.",
                "vae-bottleneck",
            ),
            Mistake(
                "squared error",
                _denoising_squared,
                "You have the squared error of the probabilities. Asked for is −log p(x) of pixels that are 0 or 1.",
                "vae-bottleneck",
            ),
            Mistake(
                "logarithm of a rounded probability",
                _denoising_unstable,
                "For large logits the sigmoid is exactly 0 or 1 and its logarithm infinite. Compute the loss from the "
                "logits without making probabilities first.",
                "vae-logits",
            ),
        ],
        alternatives=[_denoising_arithmetic, _denoising_logsigmoid],
        framework="torch",
    ),
    Exercise(
        name="reparameterise",
        assignment=ASSIGNMENT,
        section="vae-reparameterise",
        points=1,
        difficulty=1,
        minutes=8,
        reference=vae.reparameterise,
        probe=probe.call_with_gradients,
        cases=reparameterise_cases,
        mistakes=[
            Mistake(
                "log-variance taken as variance",
                _reparameterise_log_var_is_var,
                "You take the root of the log-variance. It may be negative; what is its exponential?",
                "vae-logvar",
            ),
            Mistake(
                "log-variance taken as standard deviation",
                _reparameterise_log_var_is_sigma,
                "You multiply the noise by the log-variance itself, which may be negative or 0.",
                "vae-logvar",
            ),
            Mistake(
                "variance in place of standard deviation",
                _reparameterise_variance_for_sigma,
                "You multiply the noise by σ². How is the variance of a·ε made of a?",
                "vae-logvar",
            ),
            Mistake(
                "sign of the log-variance",
                _reparameterise_inverse,
                "Where the variance should be large, yours is small.",
                "vae-logvar",
            ),
            Mistake(
                "noise shared across the batch",
                _reparameterise_shared,
                "Every row of your batch is moved by the noise of the first one.",
                "vae-shared",
            ),
            Mistake(
                "noise shared across the code",
                _reparameterise_shared_in_row,
                "All entries of a code are moved by one number. They should be independent.",
                "vae-shared",
            ),
            Mistake(
                "gradient cut off",
                _reparameterise_detached,
                "The numbers are right, but no gradient reaches mu and log_var. That is what the trick is for.",
                "vae-reparameterise",
            ),
            Mistake(
                "gradient of log_var cut off",
                _reparameterise_sigma_detached,
                "The gradient reaches mu, but not log_var: the network could never learn how sure to be.",
                "vae-reparameterise",
            ),
            Mistake(
                "noise of its own",
                _reparameterise_own_noise,
                "You draw new noise and leave eps unused. The noise is given, so that the result has no chance in it.",
                "vae-reparameterise",
            ),
            Mistake(
                "noise left out",
                _reparameterise_no_noise,
                "You add σ itself. One argument is not used.",
                "vae-reparameterise",
            ),
            Mistake(
                "mean scaled too",
                _reparameterise_scaled_mean,
                "σ multiplies the noise only; you stretch the mean as well.",
                "vae-reparameterise",
            ),
        ],
        alternatives=[_reparameterise_root, _reparameterise_library, _reparameterise_loops],
        framework="torch",
    ),
    Exercise(
        name="gaussian_kl",
        assignment=ASSIGNMENT,
        section="vae-kl",
        points=2,
        difficulty=3,
        minutes=20,
        reference=vae.gaussian_kl,
        probe=probe.call_with_gradients,
        cases=kl_cases,
        mistakes=[
            Mistake(
                "sign",
                _kl(half=-0.5),
                "Yours is the negative of the divergence. A divergence is never below 0.",
                "vae-kl",
            ),
            Mistake("factor ½ forgotten", _kl(half=1.0), "Yours is twice as large.", "vae-kl"),
            Mistake(
                "log-variance taken as variance",
                _kl(variance=lambda log_var: log_var),
                "You put log_var where the formula has the variance.",
                "vae-logvar",
            ),
            Mistake(
                "log-variance taken as log of the standard deviation",
                _kl(variance=lambda log_var: (2 * log_var).exp()),
                "You square something that is squared already: exp(log_var) is the variance.",
                "vae-logvar",
            ),
            Mistake(
                "the other way round",
                _kl_reversed,
                "Yours is KL(p ‖ q). The expectation is under q, the first of the two, and it is p's variance that one "
                "divides by.",
                "vae-kl",
            ),
            Mistake(
                "against the standard normal",
                _kl_standard,
                "You leave mu_p and log_var_p out. They are 0 only in the plain case.",
                "vae-kl",
            ),
            Mistake(
                "means not in units of p",
                _kl_mean_not_divided,
                "A distance between the means is large or small against the width of p.",
                "vae-kl",
            ),
            Mistake(
                "distance of the means not squared", _kl(square=torch.abs), "Check the term with the means.", "vae-kl"
            ),
            Mistake(
                "−1 forgotten",
                _kl(one=0.0),
                "The divergence of a distribution from itself is 0. Yours is ½ for each entry.",
                "vae-kl",
            ),
            Mistake(
                "sign of the logarithms",
                _kl(logs=lambda log_var, log_var_p: log_var - log_var_p),
                "A q that is much narrower than p must cost something. Which sign does that take?",
                "vae-kl",
            ),
            Mistake(
                "averaged over the code",
                _kl(reduce=lambda a: a.mean(-1)),
                "The entries are independent, so their divergences add up. You average them.",
                "vae-mean",
            ),
            Mistake(
                "summed over the batch",
                _kl(reduce=lambda a: a.sum()),
                "One number for each row is asked for, and you return one for all.",
                "vae-kl",
            ),
        ],
        alternatives=[_kl_library, _kl_from_entropies, _kl_loops],
        framework="torch",
    ),
    Exercise(
        name="elbo",
        assignment=ASSIGNMENT,
        section="vae-train",
        points=3,
        difficulty=3,
        minutes=20,
        reference=vae.elbo,
        probe=slopes_but_of_pixels,
        cases=elbo_cases,
        mistakes=[
            Mistake(
                "KL added",
                _elbo(finish=lambda a, b, beta: a + beta * b),
                "Your bound becomes larger when the code strays from the prior. The divergence is a cost.",
                "vae-elbo",
            ),
            Mistake(
                "a loss and not a bound",
                _elbo(finish=lambda a, b, beta: beta * b - a),
                "Yours is the negative: what one minimises. The bound itself is asked for.",
                "vae-elbo",
            ),
            Mistake(
                "averaged over the pixels",
                _elbo(over_pixels=lambda a: a.mean(-1)),
                "You average the log-likelihood over the pixels and sum the divergence over the code. The divergence "
                "then weighs as many times more as there are pixels.",
                "vae-mean",
            ),
            Mistake(
                "averaged over pixels and images",
                _elbo(over_pixels=lambda a: a.mean()),
                "Your log-likelihood is one number for the whole batch, a mean over all its pixels: the library's "
                "default. A sum over the pixels of each image is asked for.",
                "vae-mean",
            ),
            Mistake(
                "beta on the wrong term",
                _elbo(finish=lambda a, b, beta: beta * a - b),
                "beta weighs the divergence.",
                "vae-collapse",
            ),
            Mistake(
                "beta left out",
                _elbo(finish=lambda a, b, beta: a - b),
                "Your bound does not depend on beta.",
                "vae-collapse",
            ),
            Mistake(
                "factor ½ forgotten",
                _elbo(kl=lambda mu, log_var: 2 * _kl_to_standard(mu, log_var)),
                "The log-likelihood is right, the divergence twice what it should be.",
                "vae-kl",
            ),
            Mistake(
                "log-variance taken as variance",
                _elbo(kl=lambda mu, log_var: 0.5 * (mu**2 + log_var - 1 - log_var.log())),
                "The logarithm of log_var is not defined where log_var is negative. exp(log_var) is the variance.",
                "vae-logvar",
            ),
            Mistake(
                "probabilities as logits",
                _elbo(likelihood=lambda x, logits: _log_likelihood(x, logits.sigmoid())),
                "The sigmoid is applied twice: you make probabilities, and then treat them as logits.",
                "vae-logits",
            ),
            Mistake(
                "logarithm of a rounded probability",
                _elbo(likelihood=_elbo_unstable),
                "For large logits the sigmoid is exactly 0 or 1, and 0 times an infinite logarithm is NaN. Go from the "
                "logits to the logarithm directly.",
                "vae-logits",
            ),
            Mistake(
                "probabilities clamped",
                _elbo(likelihood=_elbo_clamped),
                "A clamp keeps the logarithm finite, but it also stops the gradient, just where the network is most "
                "wrong.",
                "vae-logits",
            ),
            Mistake(
                "only the ink counted",
                _elbo(likelihood=lambda x, logits: x * F.logsigmoid(logits)),
                "A pixel without ink has a probability too.",
                "vae-logits",
            ),
            Mistake(
                "squared error",
                _elbo(likelihood=lambda x, logits: -((x - logits.sigmoid()) ** 2)),
                "The squared error belongs to Gaussian pixels, up to constants. These pixels are 0 or 1.",
                "vae-distribution",
            ),
            Mistake(
                "averaged over the batch",
                _elbo(finish=lambda a, b, beta: (a - beta * b).mean()),
                "One bound for each row is asked for.",
                "vae-train",
            ),
        ],
        alternatives=[_elbo_library, _elbo_bce, _elbo_loops],
        framework="torch",
    ),
    Exercise(
        name="score_function_gradient",
        assignment=ASSIGNMENT,
        section="vae-score",
        points=3,
        difficulty=4,
        minutes=25,
        reference=vae.score_function_gradient,
        probe=probe.call,
        cases=score_cases,
        mistakes=[
            Mistake(
                "no baseline",
                _score(baseline=lambda f: 0 * f),
                "Right on average, but nothing is subtracted from f, and the noise is that of f's size.",
                "vae-score",
            ),
            Mistake(
                "baseline with the draw itself",
                _score(baseline=lambda f: f.mean()),
                "Your baseline is the mean of all draws. It then depends on the draw that it is subtracted from, and "
                "the estimate becomes too small.",
                "vae-score",
            ),
            Mistake(
                "sign",
                _score(of_mu=lambda away, var: -away / var, of_log_var=lambda square, var: (1 - square / var) / 2),
                "Both gradients point the wrong way. Where does log q rise, towards z or away from it?",
                "vae-score",
            ),
            Mistake(
                "sign for mu",
                _score(of_mu=lambda away, var: -away / var),
                "The gradient for log_var is right. For mu: moving mu towards z makes z more likely.",
                "vae-score",
            ),
            Mistake(
                "divided by σ and not σ²",
                _score(of_mu=lambda away, var: away / np.sqrt(var)),
                "For mu you divide by the standard deviation. Differentiate the square in the exponent once more.",
                "vae-score",
            ),
            Mistake(
                "not divided by the variance",
                _score(of_mu=lambda away, var: away),
                "The gradient for mu lacks the variance. A narrow q has a steep logarithm.",
                "vae-score",
            ),
            Mistake(
                "slope by the variance",
                _score(of_log_var=lambda square, var: (square / var - 1) / (2 * var)),
                "Yours is the slope by σ². Asked for is the one by its logarithm.",
                "vae-logvar",
            ),
            Mistake(
                "slope by the logarithm of σ",
                _score(of_log_var=lambda square, var: square / var - 1),
                "Yours is the slope by log σ. Asked for is the one by log σ².",
                "vae-logvar",
            ),
            Mistake(
                "summed over the draws",
                _score(reduce=lambda a: a.sum(0)),
                "Your estimate grows with the number of draws. It estimates an expectation.",
                "vae-score",
            ),
            Mistake(
                "logarithm of f",
                _score_log_f,
                "f enters as it is; the logarithm is of q.",
                "vae-score",
            ),
        ],
        alternatives=[_score_autograd, _score_one_scaled_mean, _score_loops],
    ),
    Exercise(
        name="mixture_log_prob",
        assignment=ASSIGNMENT,
        section="vae-mixture",
        points=3,
        difficulty=4,
        minutes=25,
        reference=vae.mixture_log_prob,
        probe=probe.call_with_gradients,
        cases=mixture_cases,
        mistakes=[
            Mistake(
                "average of the logarithms",
                _mixture_mean_of_logs,
                "You average the components' logarithms. A mixture is an average of densities, and the logarithm comes "
                "last.",
                "vae-mixture",
            ),
            Mistake(
                "one Gaussian of average parameters",
                _mixture_averaged_first,
                "Your density is one hill at the average of the means. The mixture has a hill at each of them.",
                "vae-mixture",
            ),
            Mistake(
                "exponential without a precaution",
                _mixture(add_up=lambda joint: joint.exp().sum(-1).log()),
                "Far from all components the densities are 0 in floating point, and their logarithm infinite. There "
                "is a function that takes the largest exponent out first.",
                "vae-mixture",
            ),
            Mistake(
                "only the nearest component",
                _mixture(add_up=lambda joint: joint.max(-1).values),
                "You keep the largest summand and drop the others.",
                "vae-mixture",
            ),
            Mistake(
                "weights not normalised",
                _mixture(weigh=lambda logits: logits),
                "The logits are not the logarithms of weights that sum to 1. The shares don't notice, log p does.",
                "vae-mixture",
            ),
            Mistake(
                "weights not used",
                _mixture(weigh=lambda logits: 0 * logits),
                "You add the components up as if each had weight 1.",
                "vae-mixture",
            ),
            Mistake(
                "equal weights",
                _mixture(weigh=lambda logits: 0 * logits - math.log(len(logits))),
                "All your components weigh the same. The logits say otherwise.",
                "vae-mixture",
            ),
            Mistake(
                "weights without logarithm",
                _mixture(weigh=lambda logits: logits.softmax(0)),
                "You add a weight to a logarithm. A product of densities and weights is a sum of logarithms.",
                "vae-mixture",
            ),
            Mistake(
                "log-variance taken as variance",
                _mixture(variance=lambda log_vars: log_vars.abs()),
                "You divide by log_vars. Its exponential is the variance.",
                "vae-logvar",
            ),
            Mistake(
                "divided by the standard deviation",
                _mixture(variance=lambda log_vars: (log_vars / 2).exp()),
                "The squared distance is divided by the variance.",
                "vae-logvar",
            ),
            Mistake(
                "height of a narrow component forgotten",
                _mixture_no_half_log_var,
                "A narrow Gaussian is higher than a wide one. Your density has the exponent, but not the factor 1/s.",
                "vae-kl",
            ),
            Mistake(
                "log 2π once for all entries",
                _mixture(constant=0.5 * math.log(2 * math.pi)),
                "Each entry of z has a density with a factor 1/√(2π) of its own.",
                "vae-kl",
            ),
            Mistake(
                "log 2π forgotten",
                _mixture(constant=0.0),
                "Your density does not integrate to 1: the factor 1/√(2π) of each entry is missing.",
                "vae-kl",
            ),
            Mistake(
                "the weights in place of the shares",
                _mixture_shares_are_weights,
                "log p is right. The shares should depend on z: which component does this point come from?",
                "vae-mixture",
            ),
            Mistake(
                "shares across the batch",
                _mixture(share=lambda joint: joint.softmax(0)),
                "Your shares sum to 1 over the batch. They should do so over the components, for each row.",
                "vae-mixture",
            ),
        ],
        alternatives=[_mixture_library, _mixture_by_hand],
        framework="torch",
    ),
    Exercise(
        name="free_bits_loss",
        assignment=ASSIGNMENT,
        section="vae-mend",
        points=2,
        difficulty=3,
        minutes=12,
        reference=vae.free_bits_loss,
        probe=probe.call_with_gradients,
        cases=free_bits_cases,
        mistakes=[
            Mistake(
                "maximum before the mean",
                _free_each_row,
                "You compare each image's divergence with the free amount. Take the mean over the batch first, so that "
                "one image may pay less and another more.",
                "vae-mend",
            ),
            Mistake(
                "one allowance for the whole code",
                _free_whole_code,
                "You compare the sum over the code. Each entry has its own allowance; otherwise one busy entry uses it "
                "up for all.",
                "vae-mend",
            ),
            Mistake(
                "a ceiling",
                _free_ceiling,
                "You cut off what lies above the free amount. It is what lies below that should not matter.",
                "vae-mend",
            ),
            Mistake(
                "allowance subtracted",
                _free_subtracted,
                "Your loss is smaller by the free amount of each entry. The gradients are right; compare the numbers "
                "with the formula.",
                "vae-mend",
            ),
            Mistake(
                "a bonus for every entry",
                _free_bonus,
                "You subtract a constant, and a constant has no gradient: the entries below it are still pushed to 0.",
                "vae-mend",
            ),
            Mistake("allowance not used", _free_ignored, "Yours is the plain loss, whatever is free.", "vae-mend"),
            Mistake(
                "averaged over the code",
                _free_averaged,
                "The divergences of the entries add up. You average them.",
                "vae-mean",
            ),
            Mistake(
                "log-likelihood added",
                _free_sign,
                "A loss should fall when the image becomes likelier. Yours rises.",
                "vae-elbo",
            ),
            Mistake(
                "a bound and not a loss",
                _free_bound,
                "Yours is what one maximises. The loss is its negative.",
                "vae-elbo",
            ),
        ],
        alternatives=[_free_maximum, _free_where, _free_loops],
        framework="torch",
    ),
]
