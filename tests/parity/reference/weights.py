"""Small random weights that are the same everywhere: a tensor follows from its name, its shape and the seed."""

import hashlib

import numpy as np

MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def uniform(key, count):
    """`count` doubles in [0, 1) from SplitMix64, counted from a hash of `key`."""
    start = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    with np.errstate(over="ignore"):
        x = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in MIX:
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(key, shape, mean=0.0, std=1.0):
    """Bell-shaped float32 values: the sum of four uniform ones, brought to the mean and standard deviation."""
    count = int(np.prod(shape))
    sums = uniform(key, 4 * count).reshape(4, count).sum(axis=0)
    return (mean + std * (sums - 2.0) * np.sqrt(3.0)).reshape(shape).astype(np.float32)


def fill(shapes, seed, scales):
    """Tensors for {name: shape}. `scales` is a list of (part of the name, mean, std); the first that occurs holds.

    Anything else is a matrix [out, in] with standard deviation 1/sqrt(in).
    """
    tensors = {}
    for name, shape in shapes.items():
        for part, mean, std in scales:
            if part in name:
                break
        else:
            mean, std = 0.0, shape[-1] ** -0.5
        tensors[name] = normal(f"{seed}/{name}", shape, mean, std)
    return tensors
