"""Settings: every one declared once, here, with its help; frozen once resolved.

A value comes from the first of: a flag, an environment variable `LIMNER_<NAME>`, `limner.toml` in the base directory,
the default. The base directory is where models, inputs and outputs live: the flag or variable if given, else the
folder of an adopted ComfyUI (`comfyui`), the nearest folder from here upwards that holds a `limner.toml`, else
`~/.limner`. Names, and what they mean, are ComfyUI's
where it has the same thing. Relative paths count from the current folder, in `limner.toml` from that file's folder.
"""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

FILE = "limner.toml"
UNITS: Mapping[str, int] = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
ALONE = ("cache_classic", "cache_lru", "cache_none", "cache_ram")
"""Settings of which one at most may be given."""
TRUE, FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class SettingsError(ValueError):
    """A setting cannot be used: `source` says where it was given, `remedy` what to give instead."""

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        self.source, self.problem, self.remedy = source, problem, remedy
        super().__init__(f"{source}: {problem}. {remedy}")


class Size(int):
    """A number of bytes, written as `4GB`, `512 MB`, `1.5GiB` (powers of 1024) or plain."""

    def __str__(self) -> str:
        for name, unit in reversed(list(UNITS.items())):
            if self and self % unit == 0:
                return f"{self // unit}{name}"
        return f"{int(self)}B"


@dataclass(frozen=True, slots=True)
class Declaration:
    """How a setting is given: its help, what its value must be, and what a flag without a value means."""

    help: str
    choices: tuple[str, ...] = ()
    bare: str | None = None
    """The value of the flag given alone (`--listen`); None where it needs one."""
    bounds: tuple[int, int] | None = None
    empty: bool = False
    """Whether no text at all is a value."""
    beneath: str | None = None
    """For folders: the default, below the base directory."""
    unit: int = 1
    """For sizes: the bytes that a number without a unit counts."""


def _declare(help: str, *, default: object = MISSING, **how: Any) -> Any:
    metadata = {"declaration": Declaration(help, **how)}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, resolved: every folder is absolute."""

    base_directory: Path = _declare("Folder of models, custom_nodes, input, output, temp and user.")
    output_directory: Path = _declare("Folder that results are saved in.", beneath="output")
    input_directory: Path = _declare("Folder that inputs are loaded from and uploads saved in.", beneath="input")
    temp_directory: Path = _declare("Folder in which a folder `temp` is kept for previews.", beneath="")
    user_directory: Path = _declare("Folder of saved workflows and the editor's settings.", beneath="user")
    extra_model_paths_config: tuple[Path, ...] = _declare(
        "One or more extra_model_paths.yaml files, as ComfyUI reads them.", default=()
    )
    listen: str = _declare(
        "Addresses to listen on, separated by commas. Alone: every address.", default="127.0.0.1", bare="0.0.0.0,::"
    )
    port: int = _declare("Port to listen on; 0 takes a free one.", default=8188, bounds=(0, 65535))
    metrics_port: int | None = _declare(
        "Another port that tells Prometheus' metrics, without a login; 0 takes a free one. Alone: 8000.",
        default=None,
        bare="8000",
        bounds=(0, 65535),
    )
    metrics_listen: str = _declare(
        "Addresses that the metrics' port listens on, separated by commas; those of --listen if nothing is said.",
        default="",
        empty=True,
    )
    otlp_endpoint: str = _declare(
        "Address of an OpenTelemetry collector (OTLP over HTTP) that is sent a trace of every job.",
        default="",
        empty=True,
    )
    front_end_root: Path | None = _declare("Folder of another editor build to serve.", default=None)
    allow_external_requests: bool = _declare(
        "Let the editor in the browser reach other hosts; otherwise no request leaves this server.", default=False
    )
    auto_launch: bool = _declare("Open the editor in the browser once the server answers.", default=False)
    trusted_hosts: str = _declare(
        "Names, separated by commas, that the server may be called by besides the machine's own, as behind a proxy.",
        default="",
        empty=True,
    )
    webhook_hosts: str = _declare(
        "Hosts, separated by commas, that webhooks may be sent to besides this machine; * for every one.",
        default="",
        empty=True,
    )
    insecure_no_auth: bool = _declare("Ask nobody for a login, even where others can reach the server.", default=False)
    trusted_proxies: str = _declare(
        "Addresses or networks of proxies, separated by commas, whose X-Forwarded headers are believed.",
        default="",
        empty=True,
    )
    proxy_user_header: str = _declare(
        "Header in which a trusted proxy names the user that it has logged in, such as X-Remote-User.",
        default="",
        empty=True,
    )
    session_days: int = _declare("Days that a browser stays logged in.", default=30, bounds=(1, 3650))
    requests_per_minute: int = _declare(
        "Requests that a user who is logged in may make in a minute; 0 does not count them.",
        default=6000,
        bounds=(0, 10**9),
    )
    queued_per_user: int = _declare(
        "Jobs of one user who is logged in that may wait at a time; 0 does not count them.",
        default=1000,
        bounds=(0, 10**9),
    )
    keep_runs: int = _declare(
        "Runs that have ended that the history keeps, the latest; 0 does not count them.",
        default=10_000,
        bounds=(0, 10**9),
    )
    keep_days: int = _declare(
        "Days that the history keeps a run after its end; 0 keeps it as long as there is room.",
        default=0,
        bounds=(0, 100_000),
    )
    keep_events: int = _declare(
        "Events that are kept on the disk for clients that come back after a restart, the latest.",
        default=200_000,
        bounds=(0, 10**9),
    )
    allow_pickle: bool = _declare(
        "Open pickled models (.ckpt, .pt) too, by a reader that takes tensors only; else they are refused.",
        default=False,
    )
    max_upload_size: int = _declare("Largest request body in megabytes.", default=100, bounds=(1, 1_000_000))
    cpu: bool = _declare("Run everything on the CPU.", default=False)
    precision: str = _declare(
        "Precision of models; auto takes bf16 or fp16 where the device computes in it natively.",
        default="auto",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    preview_method: str = _declare(
        "Pictures while sampling: auto and latent2rgb show them, none does not.",
        default="auto",
        choices=("none", "auto", "latent2rgb", "taesd"),
    )
    cache_memory: Size = _declare(
        "Results that are kept in memory for later runs, at most, such as 4GB; what is cheap to make again goes first.",
        default=Size(4 * 2**30),
    )
    cache_disk: Size = _declare(
        "Results that are kept on the disk for later runs and restarts, at most, such as 20GB. 0 keeps only what "
        "unfinished jobs have done.",
        default=Size(0),
    )
    cache_classic: bool = _declare("Keep the results of the latest run only.", default=False)
    cache_lru: int = _declare(
        "Keep this many results, the latest used; 0 does not count them.", default=0, bounds=(0, 10**9)
    )
    cache_none: bool = _declare("Keep no results for later runs.", default=False)
    cache_ram: Size = _declare(
        "Leave this much of the machine's memory free by giving up results; alone: 4 GB, and numbers are GB.",
        default=Size(0),
        bare="4GB",
        unit=2**30,
    )
    reload: bool = _declare(
        "Import a pack anew when one of its files is saved, and new packs when they are there.", default=False
    )
    pack_registry: str = _declare(
        "Address of the registry that `limner packs` looks for packs in.", default="https://api.comfy.org"
    )
    comfyui: Path | None = _declare(
        "Folder of a ComfyUI that is there already: its nodes, packs, models and Python are used in place of Limner's.",
        default=None,
    )
    comfyui_python: Path | None = _declare(
        "The Python that runs that ComfyUI, where it is not in its own environment.", default=None
    )
    comfyui_arguments: str = _declare(
        "Further arguments for that ComfyUI, as its main.py takes them, such as '--lowvram'.", default="", empty=True
    )
    model_store: str = _declare(
        "Where more models are, as fsspec names it, such as s3://bucket/models: one that is missing here is fetched.",
        default="",
        empty=True,
    )
    cache_directory: Path | None = _declare(
        "Folder of results that are kept on the disk; several machines may share one.", default=None
    )
    cache_store: str = _declare(
        "Where results that are kept on the disk go as well, for other machines, as fsspec names it, such as "
        "s3://bucket/cache.",
        default="",
        empty=True,
    )
    cluster: str = _declare(
        "Take workers in through Ray: auto for the Ray of this machine (started where there is none), HOST:PORT, or "
        "ray://HOST:PORT.",
        default="",
        bare="auto",
        empty=True,
    )
    cluster_home: str = _declare(
        "Whether this machine runs jobs beside the workers: always, never, or auto: where none has a better device.",
        default="auto",
        choices=("auto", "always", "never"),
    )
    disable_metadata: bool = _declare("Do not write the workflow into saved files.", default=False)
    log_format: str = _declare(
        "How log lines are written: for people, or each as a JSON object.", default="human", choices=("human", "json")
    )
    verbose: str = _declare(
        "How much is logged. Alone: DEBUG.",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        bare="DEBUG",
    )

    @property
    def device(self) -> str:
        """`cpu`, or `auto` for the best device there is."""
        return "cpu" if self.cpu else "auto"


def declarations() -> Iterator[tuple[str, Field[Any], Declaration]]:
    """Every setting: its name (`output_directory`), dataclass field and declaration."""
    for member in fields(Settings):
        yield member.name, member, member.metadata["declaration"]


def flag(name: str) -> str:
    """`output_directory` -> `--output-directory`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """`output_directory` -> `LIMNER_OUTPUT_DIRECTORY`."""
    return "LIMNER_" + name.upper()


def resolve(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    here: Path | None = None,
) -> Settings:
    """Settings from flags (by name; None counts as not given), the environment and limner.toml.

    Raises SettingsError for the first value that cannot be used.
    """
    here = (here or Path.cwd()).absolute()
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    environment = os.environ if environment is None else environment
    base = _base(given, environment, here)
    written = _read(base / FILE)
    values: dict[str, Any] = {"base_directory": base}
    for name, member, how in declarations():
        if name == "base_directory":
            continue
        if name in given:
            values[name] = _value(member, how, given[name], here, flag(name))
        elif variable(name) in environment:
            values[name] = _value(member, how, _split(member, environment[variable(name)]), here, variable(name))
        elif name in written:
            values[name] = _value(member, how, written[name], base, f"{base / FILE}, {name}")
        elif how.beneath is not None:
            values[name] = base / how.beneath
    values["temp_directory"] = values["temp_directory"] / "temp"
    chosen = [name for name in ALONE if values.get(name)]
    if len(chosen) > 1:
        raise SettingsError(flag(chosen[1]), f"it does not go with {flag(chosen[0])}", "Give one of them")
    return Settings(**values)


def as_flags(settings: Settings) -> dict[str, Any]:
    """Flags as JSON: `resolve(as_flags(settings), {})` gives these settings in any folder and process."""
    flags: dict[str, Any] = {}
    for name, _, _ in declarations():
        value = getattr(settings, name)
        if name == "temp_directory":
            value = value.parent
        if value is not None:
            flags[name] = [str(path) for path in value] if isinstance(value, tuple) else _plain(value)
    return flags


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path | Size) else value


def _base(flags: Mapping[str, object], environment: Mapping[str, str], here: Path) -> Path:
    chosen = flags.get("base_directory") or environment.get(variable("base_directory"))
    if chosen:
        return (here / Path(str(chosen)).expanduser()).absolute()
    adopted = flags.get("comfyui") or environment.get(variable("comfyui"))
    if adopted:
        return (here / Path(str(adopted)).expanduser()).absolute()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    return Path.home() / ".limner"


def _read(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(str(path), f"it cannot be read: {error.strerror}", "Make it readable") from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), "it is not UTF-8 text", "Save it as UTF-8") from error
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), f"it is not TOML: {error}", "Mend that line") from error
    names = [name for name, _, _ in declarations() if name != "base_directory"]
    found = {}
    for key, value in written.items():
        name = key.replace("-", "_")
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise SettingsError(
                str(path),
                f"there is no setting '{key}'",
                f"Did you mean '{near[0]}'?" if near else f"The settings are: {', '.join(names)}",
            )
        found[name] = value
    return found


def _split(member: Field[Any], text: str) -> object:
    return text.split(os.pathsep) if "tuple" in str(member.type) else text


def _value(member: Field[Any], how: Declaration, given: object, here: Path, source: str) -> object:
    return _READERS[str(member.type)](given, how, here, source)


def _path(given: object, how: Declaration, here: Path, source: str) -> Path:
    if not isinstance(given, str | Path) or not str(given):
        raise SettingsError(source, f"{given!r} is not a path", "Give the path of a file or folder")
    return (here / Path(given).expanduser()).absolute()


def _paths(given: object, how: Declaration, here: Path, source: str) -> tuple[Path, ...]:
    several: Sequence[object] = given if isinstance(given, list | tuple) else [given]
    return tuple(_path(one, how, here, source) for one in several)


def _whole(given: object, how: Declaration, here: Path, source: str) -> int:
    low, high = how.bounds or (-(2**63), 2**63)
    try:
        number = int(given) if isinstance(given, str | int) and not isinstance(given, bool) else None
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise SettingsError(source, f"{given!r} is out of range or no number", f"Give a whole number, {low} to {high}")
    return number


def _size(given: object, how: Declaration, here: Path, source: str) -> Size:
    text = str(given).strip().upper().replace("IB", "B")
    number = text.rstrip("KMGTB ")
    unit = UNITS.get(f"{text[len(number) :].strip().removesuffix('B')}B") if number != text else how.unit
    try:
        size = float(number) * (unit or math.nan)
        return Size(size) if size >= 0 and not isinstance(given, bool) else _no_size(given, source)
    except (ValueError, OverflowError):
        return _no_size(given, source)


def _no_size(given: object, source: str) -> NoReturn:
    raise SettingsError(source, f"{given!r} is no size", "Give a size such as 4GB or 512MB")


def _truth(given: object, how: Declaration, here: Path, source: str) -> bool:
    word = str(given).strip().lower()
    if word not in TRUE | FALSE:
        raise SettingsError(source, f"{given!r} is neither true nor false", "Give true or false")
    return word in TRUE


def _text(given: object, how: Declaration, here: Path, source: str) -> str:
    if not isinstance(given, str) or not (given or how.empty):
        raise SettingsError(source, f"{given!r} is not text", "Give text")
    if how.choices:
        match = next((choice for choice in how.choices if choice.lower() == given.lower()), None)
        if match is None:
            raise SettingsError(source, f"there is no {given!r}", f"Choose one of {', '.join(how.choices)}")
        return match
    return given


_READERS: Mapping[str, Callable[[object, Declaration, Path, str], object]] = {
    "Path": _path,
    "Path | None": _path,
    "tuple[Path, ...]": _paths,
    "int": _whole,
    "int | None": _whole,
    "bool": _truth,
    "str": _text,
    "Size": _size,
}
