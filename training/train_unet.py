"""Train UNet and text transformer together on the cached latents.

Run: `python -m training.train_unet --minutes 120`. The same command goes on from the last
checkpoint, with optimiser, averages and random states.
"""

import argparse
import ctypes
import random
import resource
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier, Event
from types import FrameType
from typing import Any

import torch
import torch.multiprocessing as mp
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from training.captions import caption, load_records
from training.fused import fuse
from training.models import alphas_cumprod, count, make_text, make_unet
from training.optim import Optimiser
from training.paths import LATENTS, UNET_CHECKPOINT
from training.tokens import Tokenizer
from training.train_vae import save

LOG_SIGMA_MEAN, LOG_SIGMA_STD = 1.0, 1.3
"""Noise levels are drawn log-normally; sigma is noise over signal deviation."""

SNR_LIMIT = 5.0
WEIGHT_LIMIT = 100.0
WARM_UP, PLATEAU = 150, 4000
"""Steps of linear warm-up, and where decay with the root of the step number begins."""

EMA_EVERY = 4
REPORT_EVERY = 50
BINS = (0.5, 2.0)
"""Borders in sigma of the three loss averages that the log prints."""


@torch.no_grad()
def initialise(unet: UNet2DConditionModel) -> None:
    """Begin with the identity: before training the predicted noise is the input, normalised.

    Each latent channel travels with both signs along the outermost skip connection;
    `silu(a) - silu(-a) = a` undoes the last activation. Residual branches begin at zero.
    """
    for name, parameter in unet.named_parameters():
        if name.endswith(("conv2.weight", "conv2.bias", "proj_out.weight", "proj_out.bias")):
            parameter.zero_()
    last = unet.up_blocks[-1].resnets[-1]
    width = last.conv_shortcut.weight.shape[1] - unet.conv_in.weight.shape[0]
    unet.conv_in.weight[:8] = 0
    unet.conv_in.bias[:8] = 0
    last.conv_shortcut.weight[:8] = 0
    last.conv_shortcut.bias[:8] = 0
    unet.conv_out.weight.zero_()
    unet.conv_out.bias.zero_()
    for channel in range(4):
        for place, sign in ((channel, 1.0), (channel + 4, -1.0)):
            unet.conv_in.weight[place, channel, 1, 1] = sign
            last.conv_shortcut.weight[place, width + place] = 1
            unet.conv_out.weight[channel, place, 1, 1] = sign


@dataclass
class Noise:
    """Signal and noise deviations of the training steps, and a log-normal draw of steps."""

    signal: Tensor = field(default_factory=lambda: alphas_cumprod().sqrt().float())

    def __post_init__(self) -> None:
        self.noise = (1 - self.signal.square()).sqrt()
        self.sigmas = self.noise / self.signal

    def draw(self, number: int) -> Tensor:
        """Training steps (number,), stratified over the quantiles of the distribution."""
        quantiles = (torch.randperm(number) + torch.rand(number)) / number
        deviates = torch.special.ndtri(quantiles.clamp(1e-4, 1 - 1e-4))
        sigma = (LOG_SIGMA_MEAN + LOG_SIGMA_STD * deviates).exp()
        return torch.searchsorted(self.sigmas, sigma).clamp(max=len(self.sigmas) - 1)

    def weights(self, steps: Tensor) -> Tensor:
        """Loss weights of noise predictions: min-SNR at low noise, as for v at high noise."""
        ratio = self.sigmas[steps].square().reciprocal()
        return ((ratio + 1).clamp(max=SNR_LIMIT + 1) / ratio).clamp(max=WEIGHT_LIMIT)


@dataclass
class LossParts:
    """Weighted errors (N,) and noise levels (N,) of a batch."""

    weighted: Tensor
    sigmas: Tensor

    def add_to(self, totals: Tensor) -> None:
        """Add sums and counts per noise range to `totals` (2, 3)."""
        place = torch.bucketize(self.sigmas, torch.tensor(BINS))
        totals[0].index_add_(0, place, self.weighted.detach())
        totals[1].index_add_(0, place, torch.ones(len(place)))


class Clock:
    """When to stop, save and what the speed was, for the first process."""

    def __init__(self, arguments: argparse.Namespace, rank: int) -> None:
        now = time.monotonic()
        self.end = now + arguments.minutes * 60
        self.interval = arguments.save_minutes * 60
        self.batch = arguments.batch
        self.saved = self.reported = now
        self.asked = False
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.ask if rank == 0 else signal.SIG_IGN)

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: finish the step, save and stop."""
        self.asked = True

    def over(self) -> bool:
        """Whether the time is up or a stop was asked for."""
        return bool(self.asked or time.monotonic() > self.end)

    def save_due(self) -> bool:
        """Whether a checkpoint is due; asking resets the interval."""
        due = bool(time.monotonic() - self.saved > self.interval)
        if due:
            self.saved = time.monotonic()
        return due

    def speed(self) -> float:
        """Samples a second since the last call, REPORT_EVERY steps ago."""
        now = time.monotonic()
        speed = REPORT_EVERY * self.batch / (now - self.reported)
        self.reported = now
        return float(speed)


def keep_memory() -> None:
    """Have the C library keep freed memory: fresh pages cost a tenth of the time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_max = -1, -4
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def load_latents() -> Tensor:
    """Normalised latents of the data set, float32 (count, 4, 16, 16)."""
    latents: Tensor = torch.load(LATENTS, weights_only=True)["latents"]
    return latents


class Trainer:
    """Networks, averages, optimiser and data of one training run, shared by its processes.

    Every process computes the gradients of its part of a batch on one core, into a buffer
    that all can read, then updates its part of the parameters in place. Nothing spins, so
    that other programs on the machine cost no more than the time that they use.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.latents = load_latents().contiguous(memory_format=torch.channels_last)
        self.records = load_records()
        self.noise = Noise()
        self.unet: UNet2DConditionModel = make_unet().to(memory_format=torch.channels_last)
        self.text: CLIPTextModel = make_text()
        initialise(self.unet)
        fuse(self.unet)
        self.unet.set_attn_processor(AttnProcessor())
        self.text.set_attn_implementation("eager")
        self.modules = nn.ModuleDict({"unet": self.unet, "text": self.text})
        self.parameters = list(self.modules.parameters())
        self.modules.share_memory()
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.optimiser = Optimiser([self.unet, self.text], arguments.lr, ("conv_in", "conv_out"))
        self.optimiser.share_memory()
        total = sum(parameter.numel() for parameter in self.parameters)
        self.buffers = [torch.zeros(total) for _ in range(arguments.ranks)]
        for tensor in [*self.averages, *self.buffers]:
            tensor.share_memory_()
        self.losses = torch.zeros(arguments.ranks, 2, 3).share_memory_()
        self.step = 0
        self.samples = 0
        self.chance = random.Random(0)
        self.order: list[int] = []

    def gradients(self, rank: int) -> list[Tensor]:
        """Views of a process's gradient buffer, laid out as the parameters."""
        views, start = [], 0
        for parameter in self.parameters:
            part = self.buffers[rank][start : start + parameter.numel()]
            views.append(part.as_strided(parameter.size(), parameter.stride(), start))
            start += parameter.numel()
        return views

    def pick(self) -> list[int]:
        """Indices of the next batch's pictures, in shuffled rounds through the data set."""
        number = self.arguments.batch // self.arguments.repeats
        if len(self.order) < number:
            order = list(range(len(self.records)))
            self.chance.shuffle(order)
            self.order += order
        picked, self.order = self.order[:number], self.order[number:]
        return picked

    def rate(self) -> float:
        """Learning rate of this step, relative to the base."""
        warm = min(1.0, (self.step + 1) / WARM_UP)
        return float(warm * min(1.0, PLATEAU / (self.step + 1)) ** 0.5 * self.arguments.scale)

    def loss(self, picked: list[int], prompts: list[str], tokenizer: Tokenizer) -> LossParts:
        """Weighted errors of some pictures; every caption serves `repeats` draws of noise."""
        repeats = self.arguments.repeats
        clean = self.latents[torch.tensor(picked)].repeat(repeats, 1, 1, 1)
        steps = self.noise.draw(len(clean))
        noise = torch.randn_like(clean)
        signal_scale = self.noise.signal[steps].view(-1, 1, 1, 1)
        noise_scale = self.noise.noise[steps].view(-1, 1, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            states = self.text(tokenizer.batch(prompts)).last_hidden_state
            states = states.to(torch.bfloat16).repeat(repeats, 1, 1)
            noisy = signal_scale * clean + noise_scale * noise
            predicted = self.unet(noisy, steps, states, return_dict=False)[0].float()
        errors = (predicted - noise).square().mean((1, 2, 3))
        return LossParts(errors * self.noise.weights(steps), self.noise.sigmas[steps])

    def work(self, rank: int, barrier: Barrier, stop: Event) -> None:
        """The loop of one process, until the time is over."""
        keep_memory()
        torch.set_num_threads(self.arguments.threads)
        torch.manual_seed(1000 * self.step + rank)
        words = random.Random(1000 * self.step + rank)
        ranks = self.arguments.ranks
        tokenizer = Tokenizer()
        views = [self.gradients(other) for other in range(ranks)]
        for parameter, view in zip(self.parameters, views[rank], strict=True):
            parameter.grad = view
        mine = self.optimiser.shares(ranks)[rank]
        clock = Clock(self.arguments, rank)
        while True:
            picked = self.pick()[rank::ranks]
            prompts = [caption(self.records[index], words) for index in picked]
            parts = self.loss(picked, prompts, tokenizer)
            parts.weighted.mean().backward()
            parts.add_to(self.losses[rank])
            barrier.wait()
            self.combine(views, mine)
            self.optimiser.step(views[0], self.rate(), mine)
            self.step += 1
            self.samples += self.arguments.batch
            if self.step % EMA_EVERY == 0:
                self.follow(mine)
            if rank == 0 and clock.over():
                stop.set()
            barrier.wait()
            self.buffers[rank].zero_()
            if rank == 0:
                if self.step % REPORT_EVERY == 0:
                    self.report(clock.speed())
                if stop.is_set() or clock.save_due():
                    self.save()
            if stop.is_set():
                return

    @torch.no_grad()
    def combine(self, views: list[list[Tensor]], mine: list[int]) -> None:
        """Average the gradients of `mine` over the processes, into the first one's buffer."""
        for index in mine:
            for other in views[1:]:
                views[0][index].add_(other[index])
            views[0][index].mul_(1 / len(views))

    @torch.no_grad()
    def follow(self, mine: list[int]) -> None:
        """Move the averaged weights; their memory grows to some thousand steps."""
        decay = min(self.arguments.ema, 1 - 6 / (self.step + 20)) ** EMA_EVERY
        for index in mine:
            self.averages[index].lerp_(self.parameters[index], 1 - decay)

    def report(self, speed: float) -> None:
        """Print the weighted losses since the last report, from low to high noise."""
        sums, counts = self.losses.sum(0)
        low, middle, high = (sums / counts.clamp(min=1)).tolist()
        print(
            f"{self.step} samples {self.samples} "
            f"loss {sums.sum() / counts.sum():.4f} ({low:.4f} {middle:.4f} {high:.4f}) "
            f"{speed:.1f}/s",
            flush=True,
        )
        self.losses.zero_()

    def save(self) -> None:
        """Write the checkpoint, in the middle of no update."""
        names = [name for name, _ in self.modules.named_parameters()]
        state: dict[str, Any] = {
            "model": dict(zip(names, self.parameters, strict=True)),
            "average": dict(zip(names, self.averages, strict=True)),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "samples": self.samples,
            "order": self.order,
            "random": self.chance.getstate(),
        }
        save(UNET_CHECKPOINT, state)

    @torch.no_grad()
    def restore(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not UNET_CHECKPOINT.exists():
            return
        state = torch.load(UNET_CHECKPOINT, weights_only=True)
        for index, (name, parameter) in enumerate(self.modules.named_parameters()):
            parameter.copy_(state["model"][name])
            self.averages[index].copy_(state["average"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.order = state["step"], state["order"]
        self.samples = state.get("samples", 96 * self.step)
        version, internal, gauss = state["random"]
        self.chance.setstate((version, tuple(internal), gauss))
        print(f"resumed at step {self.step}", flush=True)


def arguments_of(given: list[str] | None = None) -> argparse.Namespace:
    """What the command line says, or `given` in its place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--batch", type=int, default=64, help="noise draws a step")
    parser.add_argument("--repeats", type=int, default=1, help="noise draws a caption")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--scale", type=float, default=1.0, help="extra factor on the rate")
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--ranks", type=int, default=2, help="processes")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--save-minutes", type=float, default=5)
    return parser.parse_args(given)


def main() -> None:
    """Command line."""
    arguments = arguments_of()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    trainer = Trainer(arguments)
    trainer.restore()
    sizes = (count(trainer.unet) / 1e6, count(trainer.text) / 1e6)
    print("UNet {:.2f} M, text {:.2f} M parameters".format(*sizes), flush=True)
    context = mp.get_context("spawn")
    barrier, stop = context.Barrier(arguments.ranks), context.Event()
    others = [
        context.Process(target=trainer.work, args=(rank, barrier, stop), daemon=True)
        for rank in range(1, arguments.ranks)
    ]
    for process in others:
        process.start()
    trainer.work(0, barrier, stop)
    for process in others:
        process.join()


if __name__ == "__main__":
    main()
