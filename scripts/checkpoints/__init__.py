"""Published checkpoints of PyTorch: finding them, reading them without running them, writing them for gyre."""
