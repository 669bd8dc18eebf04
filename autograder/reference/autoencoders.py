"""Appendix A: codes that a network learns by giving back what it read, and codes that are distributions.

Rows and batch first: batch vectors, D numbers (pixels) each, codes d wide. A diagonal Gaussian is given by its mean mu
and by log_var, the logarithm of its variance, entry by entry; noise is always an argument, so that a result has no
chance in it. Every loss is a sum over pixels or over entries of the code, and a mean over the batch where it says so.
Not here: the networks themselves, which the chapter builds.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

# ---- autoencoders --------------------------------------------------------------------------------------------------


def linear_autoencoder(X, X_new, d):
    """What the best linear autoencoder with a code of width d, fitted to X, makes of X_new. It is PCA.

    The best code is c = (x − x̄) V, where V holds the d directions in which X varies most, one a column; the decoder
    gives back x̄ + c Vᵀ (Bourlard and Kamp, 1988; Baldi and Hornik, 1989). X: [n, D], X_new: [batch, D], 0 <= d <=
    min(n, D) -> [batch, D], an array of the dtype of the inputs.
    """
    mean = X.mean(axis=0)  # [D]
    _, _, Vt = np.linalg.svd(X - mean, full_matrices=False)  # the rows of Vt: directions, most variance first
    V = Vt[:d].T  # [D, d]
    return mean + (X_new - mean) @ V @ V.T


def denoising_loss(x, u, p, W_e, b_e, W_d, b_d):
    """How badly an autoencoder repairs x after each pixel has been flipped with probability p (Vincent et al., 2008).

    Pixel k of a row is flipped, 0 to 1 and 1 to 0, where u < p. Then c = relu(x̃ W_e + b_e), logits = c W_d + b_d, and
    the loss is −log p(x | logits) of the *clean* x: summed over the pixels, averaged over the batch. x: [batch, D], 0
    or 1; u: [batch, D], uniform on [0, 1); p: a number; W_e: [D, d], b_e: [d], W_d: [d, D], b_d: [D] -> a scalar
    tensor of the dtype of x.
    """
    noisy = torch.where(u < p, 1 - x, x)  # [batch, D]
    c = torch.relu(noisy @ W_e + b_e)  # [batch, d]
    logits = c @ W_d + b_d  # [batch, D]
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


# ---- a code that is a distribution ---------------------------------------------------------------------------------


def reparameterise(mu, log_var, eps):
    """z = mu + sigma ε: a draw from N(mu, sigma²) as a function of mu and sigma (Kingma and Welling, 2014).

    mu, log_var: [batch, d]; eps: [batch, d], drawn from N(0, 1) -> [batch, d], a tensor of the dtype of the inputs.
    """
    sigma = (log_var / 2).exp()  # [batch, d], the root of the variance
    return mu + sigma * eps


def gaussian_kl(mu, log_var, mu_p, log_var_p):
    """KL(q ‖ p) = ½ Σ_j (log s_j² − log sigma_j² + (sigma_j² + (mu_j − m_j)²) / s_j² − 1), both diagonal Gaussians.

    q = N(mu, sigma²): mu, log_var: [batch, d]; p = N(m, s²): mu_p, log_var_p: [batch, d]. With m = 0 and s = 1 it is
    the term of the variational autoencoder. -> [batch], one number for each row, a tensor of the dtype of the inputs.
    """
    squared = log_var.exp() + (mu - mu_p) ** 2  # [batch, d]
    return 0.5 * (log_var_p - log_var + squared / log_var_p.exp() - 1).sum(-1)


def elbo(x, logits, mu, log_var, beta):
    """log p(x | z) − beta · KL(q(z | x) ‖ N(0, 1)), for pixels that are 0 or 1 (Kingma and Welling, 2014).

    log p(x | z) = Σ_k x_k log π_k + (1 − x_k) log(1 − π_k) with π = sigmoid(logits), computed without π, so that large
    logits do no harm. beta = 1 is the evidence lower bound. x, logits: [batch, D]; mu, log_var: [batch, d]; beta: a
    number -> [batch], one bound for each row, a tensor of the dtype of the inputs.
    """
    log_likelihood = (x * logits - F.softplus(logits)).sum(-1)  # [batch]; softplus(a) = log(1 + exp(a))
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(-1)  # [batch]
    return log_likelihood - beta * kl


def free_bits_loss(log_likelihood, kl, free):
    """−mean of log p(x | z) + Σ_j max(free, mean of KL_j): an entry of the code pays nothing below ``free`` nats.

    The means are over the batch, and are taken before the maximum (Kingma et al., 2016). log_likelihood: [batch];
    kl: [batch, d], KL_j of each row and each entry of the code; free: a number >= 0 -> a scalar tensor of the dtype of
    the inputs.
    """
    return kl.mean(0).clamp(min=free).sum() - log_likelihood.mean()


def score_function_gradient(f, z, mu, log_var):
    """The gradient of E_q[f(z)] with respect to mu and log_var, from k draws of q = N(mu, sigma²), without f's slope.

    Draw i adds (f_i − b_i) times the slope of log q at z_i, where the baseline b_i is the mean of the *other* k − 1
    values of f; the result is the mean over the draws (Williams, 1992). f: [k], the values f(z_i); z: [k, d]; mu,
    log_var: [d]; k >= 2 -> two arrays [d], of the dtype of the inputs.
    """
    k = len(f)
    baseline = (f.sum() - f) / (k - 1)  # [k]
    advantage = (f - baseline)[:, None]  # [k, 1]
    u = (z - mu) / np.exp(log_var / 2)  # [k, d], draws in units of sigma
    of_mu = u / np.exp(log_var / 2)  # [k, d]: (z − mu) / sigma²
    of_log_var = (u**2 - 1) / 2  # [k, d]
    return (advantage * of_mu).mean(0), (advantage * of_log_var).mean(0)


def mixture_log_prob(z, logits, means, log_vars):
    """log p(z) under a mixture of K diagonal Gaussians, and the share that each has in it (Jiang et al., 2017).

    log p(z) = log Σ_k π_k N(z; m_k, s_k²), π = softmax(logits); the share (responsibility) of component k is
    π_k N(z; m_k, s_k²) / p(z). z: [batch, d]; logits: [K]; means, log_vars: [K, d] -> [batch] and [batch, K], tensors
    of the dtype of the inputs.
    """
    apart = (z[:, None] - means) ** 2 / log_vars.exp()  # [batch, K, d]
    log_normal = -0.5 * (apart + log_vars + math.log(2 * math.pi)).sum(-1)  # [batch, K]
    joint = logits.log_softmax(0) + log_normal  # [batch, K], log π_k N(z; m_k, s_k²)
    return joint.logsumexp(-1), joint.softmax(-1)
