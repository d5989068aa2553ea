"""Text encoders: a prompt becomes the vectors that steer the denoising network.

Weights act on the encoder's output: a token's vector is moved away from, or towards, the vector that the empty prompt
has at the same place, `empty + (vector - empty) * weight`. Long prompts are encoded chunk by chunk and the chunks laid
end to end; the pooled output is that of the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import torch

from limner.diffusion import embeddings
from limner.diffusion.chunks import Chunk, chunk, empty
from limner.diffusion.conditioning import Conditioning
from limner.diffusion.patching import NO_PATCHES, Patches
from limner.diffusion.residency import Resident
from limner.diffusion.tokenizer import ClipTokenizer


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """A CLIP text encoder. Copies share the network and differ in patches and options.

    `layer` is the layer whose output is used, -1 the last, as CLIPSetLastLayer gives it; None is the last too.
    `embedding_folders` are searched for `embedding:name`.
    """

    resident: Resident
    tokenizer: ClipTokenizer
    embedding_folders: Sequence[Path] = ()
    layer: int | None = None
    patches: Patches = NO_PATCHES
    keys: dict[str, str] = field(default_factory=dict)

    def clone(self) -> "TextEncoder":
        """A copy to change."""
        return replace(self)

    def with_layer(self, layer: int | None) -> "TextEncoder":
        """A copy that stops at a layer, counted from the end: -1 the last, -2 the one before it."""
        return replace(self, layer=layer)

    def with_patches(self, patches: Patches) -> "TextEncoder":
        """A copy with these patches in place of its own."""
        return replace(self, patches=patches)

    @property
    def width(self) -> int:
        """The length of a token's vector."""
        return int(self._table().shape[1])

    def tokenize(self, prompt: str) -> list[Chunk]:
        """Chunks of 77 weighted tokens: (id, or a vector [width] of a textual inversion; weight)."""
        lookup = partial(embeddings.lookup, folders=self.embedding_folders, width=self.width)
        return chunk(prompt, self.tokenizer, lookup)

    def encode(self, prompt: str) -> Conditioning:
        """One conditioning: float32 [1, 77 * chunks, width] and its pooled output [1, width], on the CPU."""
        return self.encode_tokens(self.tokenize(prompt))

    def encode_tokens(self, chunks: Sequence[Chunk]) -> Conditioning:
        """As `encode`, from what `tokenize` gave."""
        has_weights = any(weight != 1.0 for tokens in chunks for _token, weight in tokens)
        batch = [*chunks, empty(self.tokenizer)] if has_weights or not chunks else list(chunks)
        hidden, pooled = self._forward(batch)
        if has_weights:
            weights = torch.tensor([[weight for _token, weight in tokens] for tokens in chunks])
            base = hidden[-1:]
            hidden = torch.where(weights[..., None] == 1, hidden[:-1], base + (hidden[:-1] - base) * weights[..., None])
        return [[hidden.reshape(1, -1, hidden.shape[-1]), {"pooled_output": pooled[:1]}]]

    def _table(self) -> torch.Tensor:
        return cast(torch.Tensor, _inner(self.resident.module).get_parameter("embeddings.token_embedding.weight"))

    @torch.no_grad()
    def _forward(self, batch: Sequence[Chunk]) -> tuple[torch.Tensor, torch.Tensor]:
        with self.resident.active(self.patches) as module:
            inner = _inner(module)
            vectors, ends = self._vectors(batch)
            table = self._table()
            hidden = cast(torch.nn.Module, inner.embeddings)(inputs_embeds=vectors.to(table.device, table.dtype))
            length = hidden.shape[1]
            mask = torch.full((length, length), torch.finfo(hidden.dtype).min, dtype=hidden.dtype, device=hidden.device)
            mask = mask.triu(1)[None, None]
            layers = list(cast(torch.nn.ModuleList, cast(torch.nn.Module, inner.encoder).layers))
            stop = _stop(self.layer, len(layers))
            chosen = None
            for number, layer in enumerate(layers, 1):
                hidden = layer(hidden, mask)
                if number == stop:
                    chosen = hidden
            norm = cast(torch.nn.Module, inner.final_layer_norm)
            last = norm(hidden)
            result = last if chosen is None or stop == len(layers) else norm(chosen)
            pooled = last[torch.arange(len(batch)), ends.to(last.device)]
            return result.float().cpu(), pooled.float().cpu()

    def _vectors(self, batch: Sequence[Chunk]) -> tuple[torch.Tensor, torch.Tensor]:
        """Input vectors [chunks, 77, width], and where each chunk's first end token stands."""
        end = self.tokenizer.end
        ids = torch.tensor([[token if isinstance(token, int) else end for token, _ in chunk] for chunk in batch])
        table = self._table()
        vectors = torch.nn.functional.embedding(ids.to(table.device), table)
        ends = []
        for row, tokens in enumerate(batch):
            for place, (token, _weight) in enumerate(tokens):
                if isinstance(token, torch.Tensor):
                    vectors[row, place] = token.to(vectors)
            places = [place for place, (token, _) in enumerate(tokens) if isinstance(token, int) and token == end]
            ends.append(places[0] if places else len(tokens) - 1)
        return vectors, torch.tensor(ends)


def _inner(module: torch.nn.Module) -> torch.nn.Module:
    """The transformer itself: some versions of its library wrap it once more."""
    return cast(torch.nn.Module, getattr(module, "text_model", module))


def _stop(layer: int | None, count: int) -> int:
    """How many layers run before the output is taken; a layer that does not exist means all."""
    if layer is None or not 0 < (count + layer + 1 if layer < 0 else layer + 1) <= count:
        return count
    return count + layer + 1 if layer < 0 else layer + 1
