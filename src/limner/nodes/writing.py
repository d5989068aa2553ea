"""What nodes that save and show have in common: numbered files in the output or the temporary folder, and their texts.

A file never replaces another one: where its number is taken meanwhile, it gets the next. A step that is interrupted
and runs again in the same job finds the names that it had chosen, and passes over the files that it had written.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from limner.files import Folders, SavePath, write_new
from limner.sdk import NodeContext

from .errors import UnusableInput
from .options import options

HIDDEN = ("PROMPT", "EXTRA_PNGINFO")
"""The hidden inputs of nodes whose files carry the workflow."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def temporary_prefix() -> str:
    """A prefix for files in the temporary folder that no other call has."""
    return "ComfyUI_temp_" + "".join(random.choices(_LETTERS, k=5))


def workflow_texts(context: NodeContext) -> dict[str, str]:
    """The run's workflow as files carry it: `prompt`, and each entry of `extra_pnginfo` (`workflow`), in JSON."""
    if not options(context).metadata:
        return {}
    texts: dict[str, str] = {}
    if context.hidden.get("prompt") is not None:
        texts["prompt"] = json.dumps(context.hidden["prompt"])
    extra = context.hidden.get("extra_pnginfo")
    if isinstance(extra, Mapping):
        texts.update({str(key): json.dumps(value) for key, value in extra.items()})
    return texts


@dataclass(slots=True)
class Writer:
    """Writes the files of one call into `folder` (`output` or `temp`). `texts` is the workflow, for their metadata."""

    place: SavePath
    folder: str
    texts: Mapping[str, str]
    again: bool = False
    """Whether an earlier attempt may have written some of the files."""

    @classmethod
    def at(
        cls, prefix: str, context: NodeContext, folder: str = "output", *, width: int = 0, height: int = 0
    ) -> Writer:
        """Files whose names begin with `prefix`; `width` and `height` fill in its tokens. Raises `FileProblem`."""

        def choose() -> Sequence[object]:
            place = context.service(Folders).save_path(prefix, folder, width, height)
            return [str(place.folder), place.name, place.counter, place.subfolder, place.prefix]

        chosen, again = context.once(f"{folder} {prefix}", choose)
        path, *rest = cast("Sequence[Any]", chosen)
        return cls(SavePath(Path(path), *rest), folder, workflow_texts(context), again)

    @classmethod
    def of_pictures(cls, images: Tensor, prefix: str, context: NodeContext, folder: str = "output") -> Writer:
        """Files of an IMAGE batch. Raises `UnusableInput` for an empty one."""
        if images.shape[0] == 0 or 0 in images.shape[1:3]:
            raise UnusableInput("input 'images' holds no picture", "Connect a node that makes at least one")
        height, width = images.shape[1:3]
        return cls.at(prefix, context, folder, width=width, height=height)

    def write(self, data: bytes, suffix: str, number: int = 0) -> dict[str, str]:
        """Write the batch's file `number`; returns what the editor needs to show it. Raises `CannotWrite`."""
        durable = self.folder != "temp"
        self.place, file = write_numbered(self.place, number, suffix, data, durable=durable, again=self.again)
        return {"filename": file, "subfolder": self.place.subfolder, "type": self.folder}


def write_numbered(
    place: SavePath, number: int, suffix: str, data: bytes, *, durable: bool = True, again: bool = False
) -> tuple[SavePath, str]:
    """Write a batch's file `number` where its counter is free: another run may have taken one meanwhile.

    `again`: a file that is there with just this content is taken for the one that was to be written.
    """
    while not write_new(path := place.folder / place.file(number, suffix), data, durable=durable):
        if again and path.read_bytes() == data:
            break
        place = replace(place, counter=place.counter + 1)
    return place, place.file(number, suffix)
