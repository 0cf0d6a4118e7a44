"""Plain NumPy forward passes of published model families, written from their formulae.

Arithmetic is float64 throughout; weights are whatever the checkpoint holds. Nothing here is shared with gyre's own
code, so an error would have to be made twice to go unseen.
"""
