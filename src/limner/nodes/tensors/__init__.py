"""What the nodes compute, as plain functions on tensors.

IMAGE is float32 [batch, height, width, channels] in 0..1, MASK float32 [batch, height, width] in 0..1; functions here
take pictures channels-first, [batch, channels, height, width], unless they say otherwise.
"""
