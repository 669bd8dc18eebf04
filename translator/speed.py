"""Faster ways to the same result, for training: a loss that walks over the logits once, and dropout for CPUs.

Nothing here is needed to understand the model. Both give what torch's own functions give (`F.cross_entropy`,
`nn.Dropout`); profiles of training on a CPU showed these two, and attention, as the dearest parts beside the matrix
products themselves.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from translator.vocabulary import PAD


class SmoothedCrossEntropy(torch.autograd.Function):
    """The sum over real target tokens of cross-entropy with label smoothing.

    As ``F.cross_entropy(..., ignore_index=PAD, label_smoothing=smoothing, reduction="sum")``, in float32. The gradient
    of a row of logits is softmax(row) − target, so it is computed together with the loss, some rows at a time: rows
    that are still in the processor's cache. No float32 copy of all logits is ever made.
    """

    @staticmethod
    def forward(ctx, logits: torch.Tensor, y: torch.Tensor, smoothing: float) -> torch.Tensor:
        """logits: [n, V] of any float dtype, y: [n] -> a float32 scalar."""
        V = logits.shape[1]
        total = torch.zeros((), device=logits.device)
        gradient = torch.empty_like(logits)
        rows = max(1, (1 << (18 if logits.device.type == "cpu" else 26)) // V)
        for z, tokens, slot in zip(logits.split(rows), y.split(rows), gradient.split(rows), strict=True):
            log_p = z.float().log_softmax(-1)  # [rows, V]
            real = (tokens != PAD).float()[:, None]  # [rows, 1]
            of_target = log_p.gather(1, tokens[:, None])  # [rows, 1]
            total -= (real * ((1 - smoothing) * of_target + smoothing * log_p.mean(1, keepdim=True))).sum()
            p = log_p.exp_().sub_(smoothing / V)
            p.scatter_add_(1, tokens[:, None], torch.full_like(of_target, smoothing - 1))
            slot.copy_(p.mul_(real))
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, g):
        (gradient,) = ctx.saved_tensors
        return gradient * g.to(gradient.dtype), None, None


class ByteDropout(nn.Module):
    """Dropout that spends one random byte on an entry; ``p`` is rounded to 256ths, and what is kept scaled to match.

    torch draws a float for each entry, which on many CPUs takes as long as a layer's matrix products.
    """

    def __init__(self, p: float):
        super().__init__()
        self.dropped = round(256 * p)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if not self.training or self.dropped == 0:
            return X
        n = X.numel()
        eights = torch.empty(-(-n // 8), dtype=torch.int64).random_(-(2**63), None)
        kept = eights.view(torch.uint8)[:n].view(X.shape) > self.dropped - 1
        return X * (kept.to(X.dtype) * (256 / max(1, 256 - self.dropped)))


def with_byte_dropout(model: nn.Module) -> nn.Module:
    """The model, each of its ``nn.Dropout`` replaced by `ByteDropout`."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, ByteDropout(child.p))
    return model


@contextlib.contextmanager
def plain_attention(device: torch.device) -> Iterator[None]:
    """Which of torch's routines `F.scaled_dot_product_attention` takes when training.

    On CPUs the plain one, in the dtype of its inputs: the memory that the tiled one saves is nothing for sentences, and
    its gradient is slow.
    """
    if device.type != "cpu":
        yield
        return
    before = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()  # in spite of its name for CPUs, too
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(before)
