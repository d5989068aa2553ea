"""Make the checkpoints that training goes on from out of an exported file.

Run: `python -m training.continue_from`. For a machine that has the shipped weights and not the
folder they were trained in: the optimiser's memory starts anew, the data set must be prepared.
"""

import argparse
from pathlib import Path

import torch

from training.evaluate import Model
from training.models import SCALING_FACTOR
from training.paths import LATENTS, UNET_CHECKPOINT, VAE_CHECKPOINT, WEIGHTS
from training.train_unet import Trainer, arguments_of
from training.train_vae import encode, fit_preview, load_images, save


def write(weights: Path, step: int, samples: int) -> None:
    """Write LATENTS and UNET_CHECKPOINT; `step` and `samples` say how far the weights had come.

    Raises:
        FileExistsError: a checkpoint is there already, which this would overwrite.
    """
    if present := [str(path) for path in (LATENTS, UNET_CHECKPOINT, VAE_CHECKPOINT) if path.exists()]:
        raise FileExistsError(f"training goes on from {', '.join(present)}; move that away first")
    model, images = Model.load(weights), load_images()
    latents = encode(model.vae, images) * SCALING_FACTOR
    factors, bias = fit_preview(latents, images)
    save(LATENTS, {"vae": model.vae.state_dict(), "latents": latents, "factors": factors, "bias": bias})
    trainer = Trainer(arguments_of([]))
    trainer.unet.load_state_dict(model.unet.state_dict())
    trainer.text.load_state_dict(model.text.state_dict())
    for average, parameter in zip(trainer.averages, trainer.parameters, strict=True):
        average.copy_(parameter.detach())
    trainer.step, trainer.samples, trainer.optimiser.steps = step, samples, 0
    trainer.save()
    print(f"training goes on from step {step}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--step", type=int, default=3149, help="as the model card says")
    parser.add_argument("--samples", type=int, default=207_000)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    write(arguments.weights, arguments.step, arguments.samples)


if __name__ == "__main__":
    main()
