"""Fetch the emoji packages, render every picture at 128 pixels and write the data set.

Run: `python -m training.prepare`. Needs `npm` on the path and `training/requirements.txt`.
"""

import io
import json
import re
import subprocess
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import resvg_py
from PIL import Image

from training.paths import DATA, DATASET

SIZE = 128
"""Side of the training pictures, in pixels."""

PACKAGES = {
    "names": "emojibase-data@17.0.0",
    "fluent": "@lobehub/fluent-emoji-3d@1.1.0",
    "noto": "@iconify-json/noto@1.2.9",
    "twemoji": "@iconify-json/twemoji@1.2.5",
}
STYLES = ("fluent", "noto", "twemoji")

GROUPS = {0, 3, 4, 5, 6, 7}
"""emojibase groups kept: faces, animals, food, travel, activities, objects."""

EXCLUDED_LABELS = re.compile(
    r"o.clock|-thirty|\bflag\b|keycap|button$|person|people|\bman\b|\bwoman\b|baby|Japanese"
    r"|Statue of Liberty|Tokyo|map of Japan|input|name badge"
)


@dataclass(frozen=True)
class Record:
    """One picture of the data set; `index` is its row in `images.npy`."""

    index: int
    concept: str
    style: str
    label: str
    tags: list[str]


def fetch(spec: str) -> Path:
    """Download and unpack one npm package (once) and return its folder."""
    name = spec.rsplit("@", 1)[0].strip("@").replace("/", "-")
    folder = DATA / "packages" / name
    if folder.exists():
        return folder
    DATA.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(DATA), spec],
        check=True,
        capture_output=True,
        text=True,
    )
    archive = DATA / packed.stdout.strip().splitlines()[-1]
    temporary = folder.with_suffix(".part")
    with tarfile.open(archive) as tar:
        tar.extractall(temporary, filter="data")
    (temporary / "package").rename(folder)
    return folder


def over_white(image: Image.Image) -> Image.Image:
    """Composite a picture over white and drop its alpha channel."""
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def key(hexcode: str) -> str:
    """Code points in lower case without the variation selector, joined by dashes."""
    return "-".join(part for part in hexcode.lower().split("-") if part != "fe0f")


class PictureSet(Protocol):
    """Pictures by code points."""

    def picture(self, hexcode: str) -> Image.Image | None:
        """The picture at `SIZE` pixels over white, or None where the set lacks it."""
        ...


class IconSet:
    """SVG pictures of an Iconify set, by code points."""

    def __init__(self, folder: Path, margin: int) -> None:
        data: dict[str, Any] = json.loads((folder / "icons.json").read_text())
        self.icons = data["icons"]
        self.aliases = data.get("aliases", {})
        self.size = (data.get("width", 16), data.get("height", 16))
        self.margin = margin
        chars: dict[str, str] = json.loads((folder / "chars.json").read_text())
        self.names = {key(code): name for code, name in chars.items()}

    def picture(self, hexcode: str) -> Image.Image | None:
        """Render the icon at `SIZE` pixels over white, or None where the set lacks it."""
        name = self.names.get(key(hexcode))
        while name in self.aliases:
            name = self.aliases[name]["parent"]
        if name is None or name not in self.icons:
            return None
        icon = self.icons[name]
        width, height = icon.get("width", self.size[0]), icon.get("height", self.size[1])
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" '
            f'xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
            f"{icon['body']}</svg>"
        )
        side = SIZE - 2 * self.margin
        png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side)
        canvas = Image.new("RGB", (SIZE, SIZE), "white")
        canvas.paste(over_white(Image.open(io.BytesIO(bytes(png)))), (self.margin, self.margin))
        return canvas


class RasterSet:
    """WebP pictures named by code points."""

    def __init__(self, folder: Path) -> None:
        self.files = {key(path.stem): path for path in folder.glob("*.webp")}

    def picture(self, hexcode: str) -> Image.Image | None:
        """Scale the picture to `SIZE` pixels over white, or None where the set lacks it."""
        path = self.files.get(key(hexcode))
        if path is None:
            return None
        return over_white(Image.open(path)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def clean(text: str) -> str:
    """Lower case with plain spaces: the form that captions use."""
    return re.sub(r"[^a-z0-9' -]+", " ", text.lower().replace("’", "'")).strip()


def concepts(folder: Path) -> list[dict[str, Any]]:
    """The emojibase entries that the model learns, in Unicode order."""
    entries: list[dict[str, Any]] = json.loads((folder / "en/data.json").read_text())
    kept = [entry for entry in entries if entry.get("group") in GROUPS and not EXCLUDED_LABELS.search(entry["label"])]
    return sorted(kept, key=lambda entry: entry["order"])


def main() -> None:
    """Write `images.npy` and `records.json`."""
    folders = {name: fetch(spec) for name, spec in PACKAGES.items()}
    sets: dict[str, PictureSet] = {
        "fluent": RasterSet(folders["fluent"] / "assets"),
        "noto": IconSet(folders["noto"], margin=2),
        "twemoji": IconSet(folders["twemoji"], margin=6),
    }
    records: list[Record] = []
    images: list[np.ndarray] = []
    for entry in concepts(folders["names"]):
        pictures = {style: sets[style].picture(entry["hexcode"]) for style in STYLES}
        if any(picture is None for picture in pictures.values()):
            continue
        label = clean(entry["label"])
        tags = [clean(tag) for tag in entry.get("tags", []) if clean(tag) not in ("", label)]
        for style, picture in pictures.items():
            records.append(Record(len(records), entry["hexcode"], style, label, tags))
            images.append(np.asarray(picture))
    DATASET.mkdir(parents=True, exist_ok=True)
    np.save(DATASET / "images.npy", np.stack(images))
    (DATASET / "records.json").write_text(json.dumps([asdict(record) for record in records], indent=1))
    print(f"{len(records)} pictures of {len(records) // len(STYLES)} concepts")


if __name__ == "__main__":
    main()
