"""What models of prelude, looped core and coda share."""

import numpy as np

from . import ops
from .decoder import Model


class Stations(Model):
    looped = True

    def __init__(self, config, tensors, loops, eps):
        self.config, self.default_loops, self.eps = config, loops, eps
        self.t = {name: tensor.astype(np.float64) for name, tensor in tensors.items() if name != "freqs_cis"}

    def norm(self, name, x):
        return ops.rms_norm(x, self.t[name + ".weight"], self.eps)

    def linear(self, name, x):
        return ops.linear(x, self.t[name + ".weight"])

    def block(self, p, x, loop, step):
        """One layer, its tensors' names starting with p."""
        raise NotImplementedError

    def part(self, name, count, x, loop, step):
        for i in range(count):
            x = self.block(f"transformer.{name}.{i}.", x, loop, step)
        return x

    def first_state(self, entered):
        return np.zeros_like(entered)


def rotation_table(inverse, context):
    """The buffer `freqs_cis` [1, context, 1, head_size/2, 2] of cos and sin that Huginn and Parcae store."""
    cos, sin = ops.rotation(np.arange(context), inverse)
    return np.stack([cos, sin], axis=-1)[None].astype(np.float32)
