"""The states that a job can be in, by one word each, and what it has made.

queued              it waits for its turn
lost-and-requeued   it waits again, because its server was lost while it ran
running             it runs
paused              it is kept until it is resumed
done                it has ended, with its outputs
failed              it has ended with an error
cancelled           it was stopped, or taken out of the queue before it ran
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from limner.comfy.history import PAUSED, PENDING, RUNNING, STATUS, described_entry
from limner.files import media_type
from limner.queue import Place, State
from limner.runs import Entry

from .services import Services

QUEUED, REQUEUED = "queued", "lost-and-requeued"
ENDED = tuple(STATUS)
LIVE = {State.RUNNING: "running", State.WAITING: QUEUED, State.PAUSED: "paused"}
STATES = (QUEUED, REQUEUED, "running", "paused", *ENDED)
AS_EDITOR = {QUEUED: PENDING, REQUEUED: PENDING, "running": RUNNING, "paused": PAUSED, **STATUS}
"""Each state as the editor calls it in a job's `status`."""


def live_state(state: State, place: Place) -> str:
    """Of a job in the queue."""
    return REQUEUED if state is State.WAITING and place.lost else LIVE[state]


def state_of(served: Services, job: str) -> str | None:
    """Of any job; None for one that there is not."""
    state, place = served.queue.state(job), served.queue.place(job)
    if state is not None and place is not None and state is not State.RUNNING:
        return live_state(state, place)
    entry = served.history.get(job)
    if entry is not None:
        return entry.status
    return None if state is None else LIVE[state]


def outputs_of(entry: Entry, nodes: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """What a run has made, by the names of its output nodes (node -> name)."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in nodes.values()}
    for inner, shown in entry.outputs.items():
        name = nodes.get(inner) or nodes.get(entry.shown_on.get(inner, ""))
        if name is not None:
            found[name] += _items(shown)
    return found


def _items(shown: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """Files, each with where it is to be had, and other values that a node shows."""
    for kind, items in shown.items():
        for item in items if isinstance(items, list | tuple) else (items,):
            if isinstance(item, Mapping) and isinstance(item.get("filename"), str):
                yield {"kind": kind, **item, "media_type": media_type(item["filename"]), "url": _url(item)}
            else:
                yield {"kind": kind, "value": item}


def _url(item: Mapping[str, Any]) -> str:
    name, subfolder, folder = item["filename"], str(item.get("subfolder") or ""), str(item.get("type") or "output")
    return f"/view?filename={quote(name, safe='')}&subfolder={quote(subfolder, safe='')}&type={quote(folder)}"


def error_of(entry: Entry) -> dict[str, Any] | None:
    """What a run that failed failed of."""
    told: dict[str, Any] | None = described_entry(entry)["execution_error"]
    if told is None:
        return None
    keys = ("node_id", "node_type", "exception_type", "exception_message", "remedy")
    return {key: told.get(key, "") for key in keys}
