"""Blocks of a vision transformer under the parameter names of MONAI's ViT, without its need of einops.

Dosovitskiy et al. 2021 (arXiv:2010.11929). Attention goes through torch's fused kernel, which never holds the matrix of
all pairs of tokens, and no block has the norms for cross-attention that MONAI's carry without using them.
"""

import torch.nn.functional as F
from jaxtyping import Float
from monai.networks.blocks.mlp import MLPBlock
from torch import Tensor, nn

Tokens = Float[Tensor, "batch token feature"]
"""One vector per patch of an image."""


class Attention(nn.Module):
    """Self-attention of several heads.

    Args:
        width: features of a token.
        heads: number of heads, which divides the width.
        dropout: share of attention weights and of outputs dropped in training.
        qkv_bias: whether queries, keys and values have a bias.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.out_proj = nn.Linear(width, width)
        self.drop_weights = nn.Dropout(dropout)
        self.drop_output = nn.Dropout(dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        """Tokens of the same shape."""
        batch, count, width = tokens.shape
        q, k, v = self.qkv(tokens).view(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        dropped = self.drop_weights.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=dropped)
        return self.drop_output(self.out_proj(mixed.transpose(1, 2).reshape(batch, count, width)))


class TransformerBlock(nn.Module):
    """Attention and a perceptron of two layers, each on normalised tokens and added to them.

    Args:
        width: features of a token.
        hidden: width of the perceptron's inner layer.
        heads: of the attention.
        dropout: share dropped in training.
        qkv_bias: whether queries, keys and values have a bias.
    """

    def __init__(self, width: int, hidden: int, heads: int, dropout: float, *, qkv_bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropout, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLPBlock(width, hidden, dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        """Tokens of the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))
