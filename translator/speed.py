"""Faster ways to the same result, for training: a loss that walks over the logits once, and three parts for CPUs.

Nothing here is needed to understand the model. All give what torch's own functions give (`F.cross_entropy`,
`nn.Dropout`, `F.scaled_dot_product_attention`, `torch.autocast`). Profiles of training on a CPU showed that beside the
matrix products these took most of the time: torch's routines for them draw a float for each entry, run along rows that
are only a sentence long, convert the same tensor once for each of its users, or compare bytes one at a time.
"""

import contextlib
import ctypes
import os

import torch
from torch import nn
from torch.func import functional_call

from autograder.reference.multi_head_attention import MultiHeadAttention, merge_heads, split_heads
from translator.vocabulary import PAD

# oneDNN, which multiplies matrices on CPUs, writes machine code for each shape it meets, about a megabyte, and keeps
# that of the last 1,024 shapes. Batches have ever new shapes; a step has about 40.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


class SmoothedCrossEntropy(torch.autograd.Function):
    """The sum over real target tokens of cross-entropy with label smoothing.

    As ``F.cross_entropy(..., ignore_index=PAD, label_smoothing=smoothing, reduction="sum")``, in float32. The gradient
    of a row of logits is softmax(row) − target, so it is computed together with the loss, some rows at a time: rows
    that are still in the processor's cache. It takes the place of the logits, which are gone afterwards. No float32
    copy of all logits is ever made.
    """

    @staticmethod
    def forward(ctx, logits: torch.Tensor, y: torch.Tensor, smoothing: float) -> torch.Tensor:
        """logits: [n, V] of any float dtype, y: [n] -> a float32 scalar."""
        V = logits.shape[1]
        total = torch.zeros((), device=logits.device)
        gradient = logits.data
        rows = max(1, (1 << (18 if logits.device.type == "cpu" else 26)) // V)
        for slot, tokens in zip(gradient.split(rows), y.split(rows), strict=True):
            z = slot.float()  # [rows, V]
            p = z.softmax(1)
            real = (tokens != PAD).float()[:, None]  # [rows, 1]
            log_sum = z.amax(1, keepdim=True) - p.amax(1, keepdim=True).log()  # log Σ exp(z), [rows, 1]
            wanted = (1 - smoothing) * z.gather(1, tokens[:, None]) + smoothing * z.mean(1, keepdim=True)
            total += (real * (log_sum - wanted)).sum()
            p.scatter_add_(1, tokens[:, None], torch.full_like(log_sum, smoothing - 1)).sub_(smoothing / V)
            slot.copy_(p.mul_(real))
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, g):
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(g), None, None


class ByteDropout(nn.Module):
    """Dropout that spends one random byte on an entry; ``p`` is rounded to 256ths, and what is kept scaled to match."""

    def __init__(self, p: float):
        super().__init__()
        self.dropped = round(256 * p)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if not self.training or self.dropped == 0:
            return X
        n = X.numel()
        eights = torch.empty(-(-n // 8), dtype=torch.int64).random_(-(2**63), None)
        kept = eights.view(torch.uint8)[:n].view(X.shape).gt_(self.dropped - 1)  # in place: bytes that are 0 or 1
        return X * kept.to(X.dtype).mul_(256 / max(1, 256 - self.dropped))


class ShortAttention(torch.autograd.Function):
    """softmax(Q Kᵀ / √d_k) V for short rows: as `F.scaled_dot_product_attention`, the softmax in float32.

    torch's softmax goes row by row, which is slow where a row is a sentence of ten words. Here each of its steps is
    taken for all rows at once; and the gradient is written down, so that nothing but the weights is kept for it.
    """

    @staticmethod
    def forward(ctx, Q, K, V, mask):
        """Q: [batch, h, t, d_k], K, V: [batch, h, m, d_k], mask: boolean, broadcasts to [batch, h, t, m], or None."""
        ctx.scale = Q.shape[-1] ** -0.5
        Q, K, V = Q.contiguous(), K.contiguous(), V.contiguous()
        scores = (Q @ K.transpose(-2, -1)).float().mul_(ctx.scale)  # [batch, h, t, m]
        if mask is not None:
            scores += torch.zeros(mask.shape, device=Q.device).masked_fill_(~mask, -torch.inf)
        scores = scores.sub_(scores.amax(-1, keepdim=True)).exp_()
        alpha = scores.div_(scores.sum(-1, keepdim=True)).to(Q.dtype)
        ctx.save_for_backward(Q, K, V, alpha)
        return alpha @ V  # [batch, h, t, d_k]

    @staticmethod
    def backward(ctx, dC):
        Q, K, V, alpha = ctx.saved_tensors
        dC = dC.contiguous()
        dalpha = dC @ V.transpose(-2, -1)
        through = dalpha.mul_(alpha).float()  # [batch, h, t, m]
        dscores = through.sub_(alpha * through.sum(-1, keepdim=True)).mul_(ctx.scale).to(Q.dtype)
        return dscores @ K, dscores.transpose(-2, -1) @ Q, alpha.transpose(-2, -1) @ dC, None


class ShortMultiHeadAttention(MultiHeadAttention):
    """The reference's layer with `ShortAttention`."""

    def attend(self, X_q, K, V, mask=None):
        Q = split_heads(self.query(X_q), self.h)  # [batch, h, t, d_k]
        C = ShortAttention.apply(Q, K, V, None if mask is None else mask[..., None, :, :])
        return self.output(merge_heads(C))


def with_parts_for_cpus(model: nn.Module) -> nn.Module:
    """The model, its ``nn.Dropout`` replaced by `ByteDropout` and its attention by `ShortAttention`. Its parameters
    stay, and so does an attention that isn't the reference's own."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, ByteDropout(child.p).train(child.training))
        if type(module) is MultiHeadAttention:
            module.__class__ = ShortMultiHeadAttention
    return model


class InBfloat16(nn.Module):
    """The model, computed in bfloat16 from parameters that stay float32: its matrices are rounded once a step.

    In contrast to `torch.autocast`, what runs between the matrix products is bfloat16, too; so nothing is converted
    back and forth. Sums inside softmax, LayerNorm and the products are float32 all the same.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        rounded = {name: parameter.bfloat16() for name, parameter in self.model.named_parameters()}
        return functional_call(self.model, rounded, inputs, tie_weights=False)  # they share modules already


def give_memory_back() -> None:
    """Hand memory that is free but scattered back to the system, where the C library can (glibc)."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
