"""Prints constraints.txt: the exact version of every package in this environment, Limner's own left out.

Build variants of a version (``2.13.0+cpu``) are left out too, so that any variant of the pinned version fits.
"""

from __future__ import annotations

from importlib.metadata import distributions

LEFT_OUT = {"limner", "pip", "setuptools", "wheel"}


def pins() -> list[str]:
    """One ``name==version`` a package, sorted by name."""
    found = {dist.metadata["Name"]: dist.version.split("+")[0] for dist in distributions()}
    return sorted(
        (f"{name}=={version}" for name, version in found.items() if name.lower() not in LEFT_OUT), key=str.lower
    )


if __name__ == "__main__":
    print("# Exact versions of everything that `make setup` installs. Made by `make lock`.")
    print("\n".join(pins()))
