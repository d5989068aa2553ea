"""Ranges that many nodes share."""

MAX_RESOLUTION = 16384
MAX_SEED = 0xFFFF_FFFF_FFFF_FFFF
