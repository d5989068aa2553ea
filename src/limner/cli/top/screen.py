"""A reading as a screen: the machine, the queue, hosts, and where the time goes.

What is told per second is the difference of this reading and the one before; without one, the mean since the start.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .reading import JOBS, Reading

GIB = 2**30
BAR = 24
FULL, BUSY = 90, 70
"""Percents from which a bar is red, or yellow."""
TYPES = 12
"""Node types that are shown."""
READY = {"ready": "green", "loading": "yellow", "failing": "red"}


def screen(url: str, now: Reading, before: Reading | None = None, lost: str = "") -> RenderableType:
    """`lost`: why the server does not answer any more, and this is what it told last."""
    parts = [_head(url, now, lost), Text(), _bars(now), Text(), _queue(now, before), Text(), _hosts(now, before)]
    nodes = _nodes(now, before)
    if nodes is not None:
        parts += [Text(), nodes]
    return Group(*parts)


def _head(url: str, now: Reading, lost: str) -> RenderableType:
    version = next(iter(now.by("limner_build_info", "version")), "")
    line = Text.assemble(("Limner ", "bold"), version, "  ", (url, "bold"), "  ")
    line.append(now.status, READY.get(now.status, "red"))
    started = now.value("process_start_time_seconds")
    if started:
        line.append(f"  up {_long(now.taken - started)}")
    notes = [Text(problem, "red") for problem in now.problems]
    if lost:
        notes.append(
            Text(f"{lost}; this is how it was at {time.strftime('%H:%M:%S', time.localtime(now.taken))}", "red")
        )
    return Group(line, *notes)


def _bars(now: Reading) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("processor", *_bar(now.value("comfyui_cpu_usage")))
    table.add_row("memory", *_bar(now.value("comfyui_memory_usage")))
    used, total = now.by("limner_gpu_memory_used_bytes", "gpu"), now.by("limner_gpu_memory_total_bytes", "gpu")
    celsius = now.by("limner_gpu_temperature_celsius", "gpu")
    for gpu, share in sorted(now.by("limner_gpu_utilization_ratio", "gpu").items()):
        warm = f"{celsius[gpu]:.0f} °C" if gpu in celsius else ""
        table.add_row(f"GPU {gpu}", *_bar(100 * share, warm))
    for gpu, most in sorted(total.items()):
        told = f"{used.get(gpu, 0.0) / GIB:.1f} of {most / GIB:.1f} GB"
        table.add_row(f"GPU {gpu} memory", *_bar(100 * used.get(gpu, 0.0) / most, told))
    free, sizes = now.by("limner_disk_free_bytes", "folder"), now.by("limner_disk_total_bytes", "folder")
    if free and sizes:
        folder = min(free, key=lambda name: free[name])
        told = f"{free[folder] / GIB:.1f} GB free"
        table.add_row(f"disk ({folder})", *_bar(100 * (1 - free[folder] / sizes[folder]), told))
    return table


def _bar(percent: float, more: str = "") -> tuple[RenderableType, Text, Text]:
    colour = "red" if percent >= FULL else "yellow" if percent >= BUSY else "green"
    bar = ProgressBar(total=100, completed=percent, width=BAR, complete_style=colour, finished_style=colour)
    return bar, Text(f"{percent:3.0f} %"), Text(more, "dim")


def _queue(now: Reading, before: Reading | None) -> RenderableType:
    states = now.by("limner_queue_jobs", "state")
    runs = now.by("limner_run_seconds_count", "status")
    line = Text.assemble(("Jobs  ", "bold"), f"{states.get('running', 0):.0f} running, ")
    line.append(f"{states.get('waiting', 0):.0f} waiting, {states.get('paused', 0):.0f} paused; ")
    line.append(", ".join(f"{count:.0f} {status}" for status, count in runs.items()))
    line.append(f"; {now.value('limner_progress_steps_per_second'):.1f} steps/s")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    for column in ("job", "state", "since"):
        table.add_column(column, no_wrap=True)
    for job in now.jobs:
        begun = job.get("execution_start_time") or job.get("create_time") or 1000 * now.taken
        state = str(job.get("state", ""))
        colour = "green" if state == "running" else None
        table.add_row(str(job.get("id", "")), Text(state, colour or ""), _long(now.taken - begun / 1000))
    more = states.get("waiting", 0) - JOBS
    notes = [Text(f"and {more:.0f} more wait", "dim")] if more > 0 else []
    waited = _mean(now, before, "limner_job_wait_seconds")
    if waited is not None:
        notes.append(Text(f"waited {_short(waited)} in the mean {_since(before)}", "dim"))
    return Group(line, *([table] if now.jobs else []), *notes)


def _hosts(now: Reading, before: Reading | None) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    for column in ("process", "", "memory", "processor", "deaths"):
        table.add_column(column, justify="left" if column in ("process", "") else "right", no_wrap=True)
    memory = now.by("comfyui_process_memory_bytes", "process")
    deaths, up = now.by("limner_host_restarts_total", "host"), now.by("limner_host_up", "host")
    used = _rates(now, before, "limner_process_cpu_seconds_total", "process")
    rows = [("server", "")] + [("host" if host == "shared" else f"host {host}", host) for host in up]
    for process, host in rows:
        state = Text("") if not host else Text("up", "green") if up[host] else Text("down", "red")
        size = f"{memory[process] / GIB:.2f} GB" if process in memory else ""
        died = Text(f"{deaths.get(host, 0):.0f}", "red" if deaths.get(host) else "") if host else Text("")
        table.add_row(process, state, size, f"{100 * used.get(process, 0.0):.0f} %", died)
    moved = now.value("limner_moved_bytes_total")
    notes = [Text(f"{moved / GIB:.2f} GB went from host to host", "dim")] if moved else []
    return Group(table, *notes)


def _nodes(now: Reading, before: Reading | None) -> RenderableType | None:
    """The node types that took the most time, since the reading before if anything ran then, else since the start."""
    recent = _differences(now, before, "limner_node_seconds_count", "type")
    since = before if before is not None and any(recent.values()) else None
    counts = recent if since else now.by("limner_node_seconds_count", "type")
    seconds = _differences(now, since, "limner_node_seconds_sum", "type")
    hits = _differences(now, since, "limner_node_cache_hits_total", "type")
    failures = _differences(now, since, "limner_node_failures_total", "type")
    kinds = sorted({*counts, *hits, *failures}, key=lambda kind: (-seconds.get(kind, 0.0), kind))
    kinds = [kind for kind in kinds if counts.get(kind) or hits.get(kind) or failures.get(kind)]
    if not kinds:
        return None
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column(f"node type {_since(since)}", no_wrap=True)
    for column in ("ran", "time", "mean", "remembered", "failed"):
        table.add_column(column, justify="right", no_wrap=True)
    for kind in kinds[:TYPES]:
        table.add_row(kind, *_row(counts.get(kind, 0.0), seconds.get(kind, 0.0)), *_counted(hits, failures, kind))
    return table


def _row(count: float, seconds: float) -> tuple[str, str, str]:
    return f"{count:.0f}", _short(seconds), _short(seconds / count) if count else ""


def _counted(hits: dict[str, float], failures: dict[str, float], kind: str) -> Iterator[RenderableType]:
    yield f"{hits.get(kind, 0.0):.0f}"
    yield Text(f"{failures.get(kind, 0.0):.0f}", "red" if failures.get(kind) else "")


def _differences(now: Reading, before: Reading | None, name: str, label: str) -> dict[str, float]:
    """How much a counter has grown; a server that was started anew began at 0."""
    old = before.by(name, label) if before is not None else {}
    return {
        key: value - old.get(key, 0.0) if value >= old.get(key, 0.0) else value
        for key, value in now.by(name, label).items()
    }


def _rates(now: Reading, before: Reading | None, name: str, label: str) -> dict[str, float]:
    began = before.taken if before is not None else now.value("process_start_time_seconds")
    elapsed = max(now.taken - began, 1e-3)
    return {key: grown / elapsed for key, grown in _differences(now, before, name, label).items()}


def _mean(now: Reading, before: Reading | None, histogram: str) -> float | None:
    count = now.value(f"{histogram}_count") - (before.value(f"{histogram}_count") if before is not None else 0.0)
    total = now.value(f"{histogram}_sum") - (before.value(f"{histogram}_sum") if before is not None else 0.0)
    return total / count if count > 0 else None


def _since(before: Reading | None) -> str:
    return "of late" if before is not None else "since the start"


def _short(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 600 else _long(seconds)


def _long(seconds: float) -> str:
    minutes, left = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"
