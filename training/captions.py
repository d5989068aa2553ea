"""Captions of the pictures, drawn anew at every step."""

import json
import random
from typing import Any

from training.paths import DATASET

UNCONDITIONAL = 0.1
"""Share of empty captions, for classifier-free guidance."""


def load_records() -> list[dict[str, Any]]:
    """The data set's records, in the order of its pictures."""
    records: list[dict[str, Any]] = json.loads((DATASET / "records.json").read_text())
    return records


def subject(record: dict[str, Any], chance: random.Random) -> str:
    """Name of the concept, at times with keywords, an article or reworded."""
    label, tags = record["label"], record["tags"]
    draw = chance.random()
    if draw < 0.72 or not tags:
        return str(label)
    if draw < 0.88:
        return ", ".join([label, *chance.sample(tags, min(len(tags), chance.randint(1, 2)))])
    if draw < 0.95:
        article = "an" if label[0] in "aeiou" else "a"
        ending = chance.choice(("", "", " emoji"))
        return f"{article} {label}{ending}"
    return ", ".join(chance.sample(tags, min(len(tags), 3)))


def caption(record: dict[str, Any], chance: random.Random) -> str:
    """One caption of a record, with its style mostly, or the empty one."""
    if chance.random() < UNCONDITIONAL:
        return ""
    text = subject(record, chance)
    return f"{text}, {record['style']} style" if chance.random() < 0.85 else text
