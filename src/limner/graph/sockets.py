"""Socket types, and which outputs connect to which inputs.

A socket type is a name (`IMAGE`), a union of names separated by commas (`INT,FLOAT`), or the wildcard `*`. ComfyUI's
rule holds: an output connects to an input if the two have a type in common; a wildcard on either side connects to
anything.
"""

from __future__ import annotations

from functools import lru_cache

ANY = "*"
COMBO = "COMBO"

MADE = frozenset(
    {
        "AUDIO",
        "CLIP",
        "CLIP_VISION",
        "CLIP_VISION_OUTPUT",
        "CONDITIONING",
        "CONTROL_NET",
        "GLIGEN",
        "GUIDER",
        "IMAGE",
        "LATENT",
        "MASK",
        "MODEL",
        "NOISE",
        "SAMPLER",
        "SIGMAS",
        "STYLE_MODEL",
        "UPSCALE_MODEL",
        "VAE",
        "VIDEO",
    }
)
"""Types of which only nodes make values, so that nothing typed can stand in for a link."""


@lru_cache(maxsize=4096)
def members(socket: str) -> frozenset[str]:
    """The alternatives of a socket type, e.g. ``INT,FLOAT`` -> {INT, FLOAT}."""
    return frozenset(part.strip() for part in socket.split(",") if part.strip())


@lru_cache(maxsize=16384)
def connects(output: str, accepted: str) -> bool:
    """Whether a value of socket type `output` may be linked to an input of type `accepted`."""
    if output == accepted:
        return True
    given, taken = members(output), members(accepted)
    return ANY in given or ANY in taken or not given.isdisjoint(taken)


def only_linked(accepted: str) -> bool:
    """Whether an input of this type takes nothing but links."""
    alternatives = members(accepted)
    return bool(alternatives) and alternatives <= MADE
