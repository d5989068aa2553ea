"""What several routes answer with, as types: jobs in the editor's form, runs in ComfyUI's."""

from __future__ import annotations

from typing import Any

import msgspec

JobRow = tuple[float, str, dict[str, Any], dict[str, Any], list[str]]
"""Number, id, prompt, extra data, output nodes."""


class Nothing(msgspec.Struct):
    """It was done."""


class Pagination(msgspec.Struct):
    offset: int
    limit: int | None
    total: int
    has_more: bool


class Job(msgspec.Struct, omit_defaults=True):
    """A job. `state` says how it stands (queued, lost-and-requeued, running, paused, done, failed, cancelled), `status`
    the same in the editor's words; times are in milliseconds since 1970.
    """

    id: str
    state: str
    status: str
    priority: float
    create_time: int
    execution_start_time: int | None
    execution_end_time: int | None
    execution_error: dict[str, Any] | None
    preview_output: dict[str, Any] | None
    outputs_count: int
    previewable_outputs_count: int
    workflow_id: str | None


class JobDetail(Job, omit_defaults=True):
    """A job with what it runs and what it has made."""

    workflow: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    update_time: int | None = None
    execution_status: dict[str, Any] | None = None
    execution_meta: dict[str, Any] | None = None


class JobStand(msgspec.Struct, omit_defaults=True):
    """Where a job stands in the queue."""

    job_id: str
    number: float | None = None
    priority: int | None = None


class RunStatus(msgspec.Struct):
    """`messages` are pairs of an event's name and its data."""

    status_str: str
    completed: bool
    messages: list[tuple[str, dict[str, Any]]]


class HistoryEntry(msgspec.Struct):
    """A run that has ended; `outputs` and `meta` by node."""

    prompt: JobRow
    outputs: dict[str, dict[str, Any]]
    status: RunStatus
    meta: dict[str, dict[str, Any]]
