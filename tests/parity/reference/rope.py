"""Rotary positions as `rope_scaling` or `rope_parameters` of a config.json asks for them; docs/rotation.md has every rule.

Kinds: default, linear, dynamic (NTK by length), yarn (2309.00071), longrope (2402.13753) and llama3, as transformers
5.24 computes them. Those of `VARYING` turn every token of a pass by what the length of the sequence asks for; keys that
are in the cache stay as they were turned.
"""

import math

import numpy as np

from . import ops

VARYING = ("dynamic", "longrope")
STRETCHED = ("llama3", "yarn", "longrope")


def settled(given, theta, original):
    """One dictionary of a rotation with what it leaves out."""
    given = {"rope_theta": theta} | dict(given or {})
    given.setdefault("rope_type", given.get("type", "default"))
    if given["rope_type"] in STRETCHED:
        given.setdefault("original_max_position_embeddings", original)
    return given


def parameters(config, theta=10000.0):
    """Of a config.json with one rotation for all layers: rope_scaling is preferred, and what stands in it."""
    given = config.get("rope_scaling") or config.get("rope_parameters")
    given = settled(given, config.get("rope_theta", theta), config["max_position_embeddings"])
    original, partial = config.get("original_max_position_embeddings"), config.get("partial_rotary_factor")
    if given["rope_type"] in STRETCHED and original is not None:
        given["original_max_position_embeddings"] = original  # beside the dictionary it counts more than in it
    return given if partial is None else {"partial_rotary_factor": partial} | given


def dynamic_theta(theta, size, factor, length, context):
    """theta (factor L / C - (factor - 1))^(size / (size - 2)), L the length, not below the context C."""
    return theta * (factor * max(length, context) / context - (factor - 1.0)) ** (size / (size - 2.0))


def yarn(inverse, size, theta, factor, original, fast=32.0, slow=1.0, truncate=True):
    """Frequencies of channels that turn more than `fast` times within the original context stay, those of channels that
    turn less than `slow` times are divided by factor, with a ramp over the channels between."""

    def channel(turns):
        return size * math.log(original / (turns * 2.0 * math.pi)) / (2.0 * math.log(theta))

    low, high = channel(fast), channel(slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, size - 1)
    if low == high:
        high += 0.001
    ramp = np.clip((np.arange(len(inverse)) - low) / (high - low), 0.0, 1.0)
    return inverse * ((1.0 - ramp) + ramp / factor)


def yarn_attention(factor, mscale, mscale_all_dim):
    def grown(by):
        return 1.0 if factor <= 1.0 else 0.1 * by * math.log(factor) + 1.0

    return grown(mscale) / grown(mscale_all_dim) if mscale and mscale_all_dim else grown(1.0)


def longrope_attention(factor, original):
    return 1.0 if factor <= 1.0 else math.sqrt(1.0 + math.log(factor) / math.log(original))


class Rotation:
    def __init__(self, given, head_size, context):
        """`given` as `settled` has it; `context` is max_position_embeddings."""
        self.given, self.kind, self.context = given, given["rope_type"], context
        if self.kind not in ("default", "linear", "dynamic", *STRETCHED):
            raise ValueError(f"unknown rope_type {self.kind!r}")
        self.size = int(head_size * given.get("partial_rotary_factor", 1.0))
        self.varies = self.kind in VARYING
        self.attention = self.attention_factor()

    def factor(self):
        factor = self.given.get("factor")
        if factor is None and self.kind in ("yarn", "longrope"):
            factor = self.context / self.given["original_max_position_embeddings"]
        return factor

    def attention_factor(self):
        """What cos and sin are multiplied by."""
        given = self.given
        if self.kind not in ("yarn", "longrope"):
            return 1.0
        if given.get("attention_factor") is not None:
            return given["attention_factor"]
        if self.kind == "yarn":
            return yarn_attention(self.factor(), given.get("mscale"), given.get("mscale_all_dim"))
        return longrope_attention(self.factor(), given["original_max_position_embeddings"])

    def inverse(self, length):
        """Frequencies in a sequence of this length."""
        given, theta = self.given, self.given["rope_theta"]
        plain = ops.frequencies(self.size, theta)
        original = given.get("original_max_position_embeddings")
        if self.kind == "linear":
            return plain / given["factor"]
        if self.kind == "dynamic":
            return ops.frequencies(self.size, dynamic_theta(theta, self.size, given["factor"], length, self.context))
        if self.kind == "llama3":
            low, high = given["low_freq_factor"], given["high_freq_factor"]
            return ops.llama3_scaled(plain, given["factor"], low, high, original)
        if self.kind == "yarn":
            fast, slow = given.get("beta_fast") or 32, given.get("beta_slow") or 1
            return yarn(plain, self.size, theta, self.factor(), original, fast, slow, given.get("truncate", True))
        if self.kind == "longrope":
            return plain / np.asarray(given["long_factor" if length > original else "short_factor"])
        return plain

    def turn(self, x, positions, length):
        """x [tokens, heads, head_size]: its first channels turned, those past `size` left as they are."""
        inverse = self.inverse(length)
        cos, sin = ops.rotation(positions, inverse)
        turned, rest = np.split(x, [2 * len(inverse)], axis=-1)
        return np.concatenate([ops.rotate_half(turned, self.attention * cos, self.attention * sin), rest], axis=-1)
