"""The provenance hash of a step.

A fingerprint is a hash over the node's type and version, its constants, the fingerprint and output number behind each
link, its change token, and, where the node asks to be told apart from its equals, its id. Names are sorted, so the
order of a node's inputs does not matter; `1`, `1.0`, `True` and `"1"` differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from limner.graph import InputValue, Link, NodeId

from .values import Fingerprint

_PLAIN = frozenset({int, float, str, bool, type(None)})


def constant(value: object) -> str:
    """An unambiguous text of a literal: equal texts for equal JSON values only."""
    if type(value) in _PLAIN:
        return repr(value)
    return json.dumps(value, sort_keys=True, default=repr)


def always_changed(token: object) -> bool:
    """Whether a change token says that the node must run again: NaN, which equals nothing."""
    return isinstance(token, float) and math.isnan(token)


def fingerprint(
    node_type: str,
    version: str,
    inputs: Mapping[str, InputValue],
    upstream: Mapping[NodeId, Fingerprint],
    marks: Iterable[str] = (),
) -> Fingerprint:
    """Hash one step; `upstream` holds the fingerprints of the nodes that it links to, `marks` whatever else counts."""
    parts = [node_type, version, *marks]
    for name in sorted(inputs):
        value = inputs[name]
        if type(value) is Link:
            parts.append(f"{name!r}<{upstream[value.node]}.{value.output}")
        else:
            parts.append(f"{name!r}={value!r}" if type(value) in _PLAIN else f"{name!r}={constant(value)}")
    return blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
