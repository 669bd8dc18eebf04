"""Muon: an optimizer for the matrices inside a network, which on clean data needs far fewer steps than AdamW.

AdamW rescales each entry of a gradient by itself. Muon takes the matrix as a whole: the momentum's singular values all
become about 1, so that directions that few examples ask for move as far as those that all ask for.

K. Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks"; the scale of a step is that of
J. Liu et al. (2025), "Muon is scalable for LLM training", arXiv 2502.16982, so that AdamW's learning rate fits both.
`torch.optim.Muon` takes the same steps, always in bfloat16 and a matrix at a time. On a CPU without bfloat16 that takes
ten times as long as in float32.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import nn

MOMENTUM, ITERATIONS = 0.95, 5
A, B, C = 3.4445, -4.7750, 2.0315  # of Jordan et al.: steep at 0, so that five iterations are enough


def orthogonal(M: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Matrices with the singular vectors of M, and singular values between about 0.7 and 1.2.

    M: [k, n, m], n ≤ m; computed in ``dtype``. By Newton and Schulz's iteration: each turns every singular value s into
    A s + B s³ + C s⁵.
    """
    X = (M / M.norm(dim=(1, 2), keepdim=True).clamp_min(1e-30)).to(dtype)  # no singular value above 1
    for _ in range(ITERATIONS):
        S = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(S, S, S, beta=B, alpha=C), X, beta=A)
    return X


class Muon(torch.optim.Optimizer):
    """For parameters with two axes. ``dtype`` is that in which matrices are made orthogonal."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, dtype: torch.dtype):
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            alike = defaultdict(list)  # those of one shape are made orthogonal together
            for p in group["params"]:
                if p.grad is None:  # of no use to a reader's own code
                    continue
                if p not in self.state:
                    self.state[p]["mean"] = torch.zeros_like(p)
                mean = self.state[p]["mean"].lerp_(p.grad, 1 - MOMENTUM)
                alike[p.shape].append((p, p.grad.lerp(mean, MOMENTUM)))  # Nesterov's: as the next mean would be
            for (rows, columns), members in alike.items():
                M = torch.stack([ahead for _, ahead in members])  # [k, rows, columns]
                updates = orthogonal(M, self.dtype) if rows <= columns else orthogonal(M.mT, self.dtype).mT
                scale = 0.2 * max(rows, columns) ** 0.5  # an entry changes about as much as by AdamW
                for (p, _), update in zip(members, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(group["lr"] * scale * update)
