"""Norms, activations, rotary positions and attention over an explicit set of keys and values."""

import math

import numpy as np


def linear(x, weight, bias=None):
    """x [..., in] times weight [out, in] transposed."""
    y = x @ weight.T
    return y if bias is None else y + bias


def rms_norm(x, weight=None, eps=1e-6):
    """x / sqrt(mean(x^2) + eps), times weight where there is one; over the last axis."""
    y = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return y if weight is None else y * weight


def layer_norm(x, weight, bias, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + eps) * weight + bias


def sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def silu(x):
    return x * sigmoid(x)


def gelu_tanh(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def gelu(x):
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def softplus(x):
    return np.logaddexp(0.0, x)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def frequencies(head_size, theta):
    """theta^(-2i/head_size) for i < head_size/2."""
    return float(theta) ** (-np.arange(0, head_size, 2) / head_size)


def llama3_scaled(inverse, factor, low_freq_factor, high_freq_factor, original_max_position_embeddings):
    """Frequencies after Llama 3's stretch of the context.

    With w = 2 pi / f, the wavelength in tokens, and L, the original context: short waves (w < L / high) stay; long ones
    (w > L / low) are divided by factor; between, the two are mixed with s = (L / w - low) / (high - low).
    """
    wavelength = 2 * math.pi / inverse
    smooth = (original_max_position_embeddings / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor)
    smooth = np.clip(smooth, 0.0, 1.0)
    return inverse * ((1.0 - smooth) / factor + smooth)


def rotation(positions, inverse):
    """cos and sin [tokens, 1, head_size/2] of position * frequency, to be broadcast over heads."""
    angle = np.asarray(positions, dtype=np.float64)[:, None] * inverse[None, :]
    return np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]


def rotate_half(x, cos, sin):
    """Pairs (i, i + head_size/2) of x [tokens, heads, head_size], turned by +angle (GPT-NeoX, Llama)."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def rotate_half_backwards(x, cos, sin):
    """The same pairs turned by -angle (nanochat)."""
    return rotate_half(x, cos, -sin)


def rotate_adjacent(x, cos, sin):
    """Pairs (2i, 2i + 1), turned by +angle (GPT-J, Huginn, Parcae)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1).reshape(x.shape)


def window(known, positions, size):
    """[tokens, known] what tokens that see the last `size` positions, their own among them, see."""
    keys, positions = np.arange(known)[None, :], np.asarray(positions)[:, None]
    return (keys <= positions) & (keys > positions - size)


def attention(q, keys, values, positions, visible=None, scale=None):
    """Causal softmax attention, scores times `scale`, by default one over the root of the heads' size.

    q [tokens, heads, size] at the given positions; keys, values [known, kv_heads, size], row j being position j. Query
    head h reads kv head h // (heads / kv_heads). `visible` [tokens, known] replaces the causal mask. Returns
    [tokens, heads * size].
    """
    group = q.shape[1] // keys.shape[1]
    keys, values = np.repeat(keys, group, axis=1), np.repeat(values, group, axis=1)
    scale = 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = np.einsum("thd,nhd->htn", q, keys) * scale
    if visible is None:
        visible = np.arange(keys.shape[0])[None, :] <= np.asarray(positions)[:, None]
    scores = np.where(visible[None], scores, -np.inf)
    return np.einsum("htn,nhd->thd", softmax(scores), values).reshape(q.shape[0], -1)
