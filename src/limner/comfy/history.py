"""Finished runs as ComfyUI's `/history` lists them, and any job as the editor's `/jobs` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from limner.queue import Job
from limner.runs import Entry, Note

from .frames import with_remedy

STATUS = {"done": "completed", "failed": "failed", "cancelled": "cancelled"}
PENDING, RUNNING, PAUSED = "pending", "in_progress", "paused"
MEDIA = ("images", "video", "audio", "gifs", "3d")
EVENTS = {
    "started": "execution_start",
    "cached": "execution_cached",
    "blocked": "execution_blocked",
    "failed": "execution_error",
    "cancelled": "execution_interrupted",
    "done": "execution_success",
}


def job_list(number: float, run: str, job: Job | Entry) -> list[Any]:
    """ComfyUI's form of a job: number (whole ones without a point), id, prompt, extra data, output nodes."""
    extra = dict(job.extra)
    if job.client is not None:
        extra["client_id"] = job.client
    plain = int(number) if number == int(number) else number
    return [plain, run, job.prompt, extra, list(job.targets)]


def history_entry(entry: Entry) -> dict[str, Any]:
    """One value of `/history`."""
    return {
        "prompt": job_list(entry.number, entry.id, entry),
        "outputs": entry.outputs,
        "status": {
            "status_str": "success" if entry.status == "done" else "error",
            "completed": entry.status == "done",
            "messages": [_message(entry.id, note) for note in entry.notes],
        },
        "meta": {node: _meta(node, entry.shown_on.get(node, node)) for node in entry.outputs},
    }


def _meta(node: str, shown_on: str) -> dict[str, Any]:
    parent = shown_on if shown_on != node else None
    return {"node_id": node, "display_node": shown_on, "parent_node": parent, "real_node_id": shown_on}


def _message(run: str, note: Note) -> list[Any]:
    data: dict[str, Any] = {"prompt_id": run, "timestamp": note.time}
    if note.kind == "cached":
        data["nodes"] = note.data.get("nodes", [])
    elif note.kind in ("blocked", "failed", "cancelled"):
        data |= error_data(note)
    return [EVENTS.get(note.kind, note.kind), data]


def error_data(note: Note) -> dict[str, Any]:
    """What stopped a run, as ComfyUI's messages say it."""
    executed = note.data.get("executed", [])
    node = note.data.get("node")
    told: dict[str, Any] = {"node_id": node, "node_type": note.data.get("type"), "executed": executed}
    failure = note.data.get("failure")
    if not isinstance(failure, Mapping):
        return told
    return told | {
        "exception_message": with_remedy(str(failure.get("message", "")), failure.get("remedy")),
        "exception_type": failure.get("kind", "Exception"),
        "traceback": failure.get("traceback", []),
        "current_inputs": failure.get("inputs", {}),
        "current_outputs": executed,
        "remedy": failure.get("remedy", ""),
    }


def described_job(job: Job, status: str, detail: bool = False) -> dict[str, Any]:
    """A job that waits or runs, in the editor's form."""
    told: dict[str, Any] = {
        "id": job.id,
        "status": status,
        "priority": job.number,
        "create_time": int(job.added * 1000),
        "execution_start_time": None,
        "execution_end_time": None,
        "execution_error": None,
        "preview_output": None,
        "outputs_count": 0,
        "previewable_outputs_count": 0,
        "workflow_id": _workflow_id(job.extra),
    }
    return told | {"workflow": _workflow(job), "outputs": {}} if detail else told


def described_entry(entry: Entry, detail: bool = False) -> dict[str, Any]:
    """A run that has ended, in the editor's form."""
    media = list(_media(entry.outputs))
    shown = [item for item in media if item["mediaType"] == "images"] or media
    told: dict[str, Any] = {
        "id": entry.id,
        "status": STATUS.get(entry.status, entry.status),
        "state": entry.status,
        "priority": entry.number,
        "create_time": int(entry.started * 1000),
        "execution_start_time": int(entry.started * 1000),
        "execution_end_time": int(entry.finished * 1000),
        "execution_error": _error(entry),
        "preview_output": shown[-1] if shown else None,
        "outputs_count": len(media),
        "previewable_outputs_count": len(shown),
        "workflow_id": _workflow_id(entry.extra),
    }
    if detail:
        told |= {
            "workflow": _workflow(entry),
            "outputs": entry.outputs,
            "update_time": int(entry.finished * 1000),
            "execution_status": history_entry(entry)["status"],
            "execution_meta": history_entry(entry)["meta"],
        }
    return told


def _error(entry: Entry) -> dict[str, Any] | None:
    note = next((note for note in entry.notes if note.kind == "failed"), None)
    if note is None:
        return None
    told = {"prompt_id": entry.id, "timestamp": note.time, **error_data(note)}
    defaults: dict[str, Any] = {"exception_message": "", "exception_type": "Exception", "traceback": []}
    filled = {**defaults, **told}
    return filled | {"node_id": str(filled["node_id"] or ""), "node_type": str(filled["node_type"] or "")}


def _media(outputs: Mapping[str, Mapping[str, object]]) -> Iterator[dict[str, Any]]:
    for node, shown in outputs.items():
        for kind in MEDIA:
            items = shown.get(kind)
            for item in items if isinstance(items, (list, tuple)) else ():
                if isinstance(item, Mapping) and "filename" in item:
                    yield {**item, "nodeId": node, "mediaType": kind}


def _workflow(job: Job | Entry) -> dict[str, Any]:
    return {"prompt": job.prompt, "extra_data": job.extra}


def _workflow_id(extra: Mapping[str, object]) -> str | None:
    information = extra.get("extra_pnginfo")
    workflow = information.get("workflow") if isinstance(information, Mapping) else None
    identifier = workflow.get("id") if isinstance(workflow, Mapping) else None
    return identifier if isinstance(identifier, str) else None
