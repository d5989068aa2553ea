"""ComfyUI's `CLIP`: what packs get at a CLIP socket, over Limner's text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects import weights
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.text import TextEncoder

PREFIX = "clip_l.transformer."


def full_name(name: str) -> str:
    """ComfyUI's name of a text encoder's weight."""
    return PREFIX + (name if name.startswith("text_model.") else f"text_model.{name}")


class TextModel:
    """What packs find at `clip.cond_stage_model`."""

    def __init__(self, core: TextEncoder) -> None:
        self.core = core
        self.keys = core.keys
        self.transformer = core.resident.module
        self.clip_l = self
        self.model_sampling = None

    def state_dict(self) -> dict[str, Tensor]:
        return {full_name(name): tensor.data for name, tensor in self.transformer.named_parameters()}

    def named(self, name: str) -> str:
        """ComfyUI's name of one of the network's weights."""
        return full_name(name)

    def get_dtype(self) -> torch.dtype:
        return next(self.transformer.parameters()).dtype

    def memory_required(self, input_shape: Any) -> float:
        return 0.0


class Tokenizer:
    """What packs find at `clip.tokenizer`."""

    def __init__(self, core: TextEncoder) -> None:
        self.core = core
        self.clip_l = self
        self.embedding_directory = [str(folder) for folder in core.embedding_folders]
        self.max_length = 77
        self.end_token = core.tokenizer.end

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> dict[str, list[Any]]:
        """Chunks of 77 (token, weight), or (token, weight, word) with the number of each token's word, 0 for none."""
        chunks = self.core.tokenize(text)
        if not return_word_ids:
            return {"l": [list(chunk) for chunk in chunks]}
        numbered, word = [], 0
        for chunk in chunks:
            entries = []
            for token, weight in chunk:
                special = isinstance(token, int) and token in (self.core.tokenizer.start, self.core.tokenizer.end)
                word += 0 if special else 1
                entries.append((token, weight, 0 if special else word))
            numbered.append(entries)
        return {"l": numbered}

    def untokenize(self, pairs: Any) -> list[Any]:
        """Each (token, weight) with the token's text."""
        return [(pair, str(pair[0])) for pair in pairs]


class CLIP:
    """A text encoder with changes."""

    def __init__(self, core: TextEncoder) -> None:
        self.cond_stage_model = TextModel(core)
        self.tokenizer = Tokenizer(core)
        self.patcher = ModelPatcher(self.cond_stage_model, core.resident.target, torch.device("cpu"))
        self.patcher.is_clip = True
        self.layer_idx: int | None = core.layer
        self.use_clip_schedule = False
        self.tokenizer_options: dict[str, Any] = {}
        self.apply_hooks_to_conds: Any = None

    def clone(self) -> CLIP:
        copy = CLIP.__new__(CLIP)
        copy.__dict__.update(self.__dict__)
        copy.patcher = self.patcher.clone()
        copy.tokenizer_options = dict(self.tokenizer_options)
        return copy

    def core(self) -> TextEncoder:
        """Limner's text encoder with this layer and these patches."""
        base = self.cond_stage_model.core
        names = {full_name(name): name for name, _ in base.resident.module.named_parameters()}
        changes = {key: list(entries) for key, entries in self.patcher.patches.items()}
        for key, entries in self.patcher.get_combined_hook_patches(self.patcher.forced_hooks).items():
            changes.setdefault(key, []).extend(entries)
        added = {
            names[key]: (weights.PackPatch(key, tuple(entries)), 1.0)
            for key, entries in changes.items()
            if key in names
        }
        return replace(base, layer=self.layer_idx, patches=base.patches.plus(added) if added else base.patches)

    def add_patches(
        self, patches: Mapping[Any, Any], strength_patch: float = 1.0, strength_model: float = 1.0
    ) -> list[Any]:
        return self.patcher.add_patches(patches, strength_patch, strength_model)

    def get_key_patches(self) -> dict[str, list[Any]]:
        return self.patcher.get_key_patches()

    def set_tokenizer_option(self, option_name: str, value: Any) -> None:
        self.tokenizer_options[option_name] = value

    def clip_layer(self, layer_idx: int | None) -> None:
        """Take the output of this layer, counted from the end: -1 is the last."""
        self.layer_idx = layer_idx

    def tokenize(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> dict[str, list[Any]]:
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **kwargs)

    def encode_from_tokens(
        self, tokens: Mapping[str, Any], return_pooled: Any = False, return_dict: bool = False
    ) -> Any:
        """The vectors [1, tokens, width]; with their pooled output, or in a dict, where asked."""
        chunks = [[(entry[0], entry[1]) for entry in chunk] for chunk in tokens["l"]]
        vectors, options = self.core().encode_tokens(chunks)[0]
        pooled = options["pooled_output"]
        if return_dict:
            return {"cond": vectors, "pooled_output": pooled}
        return (vectors, pooled) if return_pooled else vectors

    def encode_from_tokens_scheduled(
        self,
        tokens: Mapping[str, Any],
        unprojected: bool = False,
        add_dict: Mapping[str, Any] | None = None,
        show_pbar: bool = True,
    ) -> list[Any]:
        """A CONDITIONING."""
        vectors, pooled = self.encode_from_tokens(tokens, return_pooled=True)
        return [[vectors, self.add_hooks_to_dict({"pooled_output": pooled, **(add_dict or {})})]]

    def encode(self, text: str) -> Any:
        return self.encode_from_tokens(self.tokenize(text))

    def add_hooks_to_dict(self, pooled_dict: dict[str, Any]) -> dict[str, Any]:
        """The options of what was encoded, with the hooks that go with it."""
        hooks = self.apply_hooks_to_conds
        return pooled_dict if hooks is None else {**pooled_dict, "hooks": hooks}

    def get_sd(self) -> dict[str, Tensor]:
        return self.cond_stage_model.state_dict()

    def load_model(self) -> ModelPatcher:
        return self.patcher
