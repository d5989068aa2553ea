"""One device with what is loaded on it: files in, live models out.

A process makes one `Runtime` for each device that it uses and passes it to whoever loads models.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.diffusion import devices
from limner.diffusion.checkpoints import (
    read_checkpoint,
    read_clip_vision,
    read_control,
    read_network,
    read_text,
    read_vae,
)
from limner.diffusion.controlnet import ControlNetwork
from limner.diffusion.families.base import NetworkPart, TextPart, VaePart
from limner.diffusion.model import Model
from limner.diffusion.parameterization import DiscreteSigmas, Epsilon, Parameterization, Velocity
from limner.diffusion.precision import Choice
from limner.diffusion.precision import choose as choose_precision
from limner.diffusion.residency import Loaded, Residency
from limner.diffusion.tensorfile import TensorFile
from limner.diffusion.text import TextEncoder
from limner.diffusion.tokenizer import ClipTokenizer
from limner.diffusion.vae import Autoencoder
from limner.diffusion.vision import VisionEncoder


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint holds; a part that the file lacks is None. `unused` names tensors that nothing asked for."""

    model: Model
    text: TextEncoder | None
    vae: Autoencoder | None
    family: str
    unused: tuple[str, ...]


class Runtime:
    """Where and in what precision models run, and which are loaded.

    `device` is "auto", "cpu", "cuda", "cuda:1" or "mps"; precisions are "auto", "fp32", "bf16" or "fp16".
    `embeddings` are the folders of textual inversions; `allow_pickle` opens pickled models with torch's restricted
    loader. Raises `DeviceError` on a device or precision that is not there.
    """

    def __init__(
        self,
        device: str = "auto",
        precision: Choice = "auto",
        *,
        vae_precision: Choice = "auto",
        text_precision: Choice = "auto",
        embeddings: Sequence[Path] = (),
        allow_pickle: bool = False,
    ) -> None:
        self.device = devices.choose(device)
        self.precision = choose_precision(self.device, precision, vae_precision, text_precision)
        self.residency = Residency(self.device)
        self.embeddings = tuple(embeddings)
        self.allow_pickle = allow_pickle

    def warm_up(self) -> None:
        """Import the libraries that loading needs, which takes seconds; the first load does it otherwise."""
        importlib.import_module("limner.diffusion.families.networks")

    def load_checkpoint(self, source: Path | TensorFile) -> Checkpoint:
        """Read a checkpoint. Raises `CheckpointError` where it cannot be used."""
        parts = read_checkpoint(source, self.precision, self.allow_pickle)
        assert parts.network is not None
        name = _name(source)
        return Checkpoint(
            self._model(name, parts.family, parts.network),
            self._text(name, parts.text) if parts.text else None,
            self._vae(name, parts.vae) if parts.vae else None,
            parts.family,
            parts.unused,
        )

    def load_vae(self, source: Path | TensorFile) -> Autoencoder:
        """Read a VAE, from a file of its own or out of a checkpoint. Raises `CheckpointError`."""
        return self._vae(_name(source), read_vae(source, self.precision, self.allow_pickle))

    def load_model(self, source: Path | TensorFile, family: str = "sd1") -> Model:
        """Read a denoising network alone. Raises `CheckpointError`."""
        return self._model(_name(source), family, read_network(source, self.precision, self.allow_pickle))

    def load_text(self, source: Path | TensorFile) -> TextEncoder:
        """Read a text encoder alone. Raises `CheckpointError`."""
        return self._text(_name(source), read_text(source, self.precision, self.allow_pickle))

    def load_control(self, source: Path | TensorFile) -> ControlNetwork:
        """Read a ControlNet. Raises `CheckpointError`."""
        module = read_control(source, self.precision, self.allow_pickle)
        return ControlNetwork(self.residency.add(f"{_name(source)} (ControlNet)", module), self.precision.network)

    def load_clip_vision(self, source: Path | TensorFile) -> VisionEncoder:
        """Read a CLIP image encoder. Raises `CheckpointError`."""
        module = read_clip_vision(source, self.precision, self.allow_pickle)
        return VisionEncoder(self.residency.add(f"{_name(source)} (image encoder)", module))

    def free(self, nbytes: int) -> int:
        """Move models out until `nbytes` of the device are free; the bytes moved."""
        return self.residency.free(nbytes)

    def unload_all(self) -> int:
        """Move every model out that is not at work; the bytes moved."""
        return self.residency.unload_all()

    def loaded(self) -> list[Loaded]:
        """What is loaded, largest first."""
        return self.residency.loaded()

    def _model(self, name: str, family: str, part: NetworkPart) -> Model:
        prediction = Velocity() if part.prediction == "v_prediction" else Epsilon()
        parameterization = Parameterization(DiscreteSigmas.stable_diffusion(), prediction)
        resident = self.residency.add(f"{name} (model)", part.module)
        return Model(
            resident, parameterization, part.latent, self.precision.network, family, part.inpaint, keys=part.keys
        )

    def _text(self, name: str, part: TextPart) -> TextEncoder:
        resident = self.residency.add(f"{name} (text encoder)", part.module)
        return TextEncoder(resident, ClipTokenizer(part.vocabulary), self.embeddings, keys=dict(part.keys))

    def _vae(self, name: str, part: VaePart) -> Autoencoder:
        resident = self.residency.add(f"{name} (VAE)", part.module)
        return Autoencoder(resident, self.precision.vae, part.channels, part.downscale)


def _name(source: Path | TensorFile) -> str:
    return (source if isinstance(source, Path) else source.path).stem
