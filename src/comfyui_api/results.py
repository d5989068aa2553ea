"""What a run gave. A `Result` is a dict of plain JSON, so that web frameworks can send it on as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .errors import WorkflowFailed


@dataclass(frozen=True, slots=True)
class Image:
    """A file on the server: `type` is its folder (`output`, `temp`, `input`); `node` made it; `url` gives its bytes."""

    filename: str
    subfolder: str
    type: str
    node: str
    url: str


class Result(dict[str, Any]):
    """`prompt_id`, `status` (`success` or `error`), `outputs` by node id, `images`, `error` and `node_errors`."""

    @property
    def ok(self) -> bool:
        return bool(self["status"] == "success")

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Node id -> what the node shows, by key (`images`, `text`, ...)."""
        found: Mapping[str, Mapping[str, Any]] = self["outputs"]
        return found

    @property
    def images(self) -> list[Image]:
        """The pictures of every output node."""
        return [Image(**image) for image in self["images"]]

    def raise_for_status(self) -> None:
        """Raises WorkflowFailed unless the run succeeded."""
        if not self.ok:
            raise WorkflowFailed(self["error"] or {}, self["node_errors"])


def finished(url: str, prompt_id: str, entry: Mapping[str, Any]) -> Result:
    """The result that a history entry of the server at `url` tells."""
    outputs = entry.get("outputs", {})
    return Result(
        prompt_id=prompt_id,
        status="success" if entry.get("status", {}).get("status_str") == "success" else "error",
        outputs=outputs,
        images=list(_images(url, outputs)),
        error=_error(entry),
        node_errors={},
    )


def rejected(answer: Mapping[str, Any]) -> Result:
    """The result of a workflow that the server did not take."""
    error = answer.get("error") or {}
    if isinstance(error, str):
        error = {"message": error}
    return Result(
        prompt_id="", status="error", outputs={}, images=[], error=error, node_errors=answer.get("node_errors") or {}
    )


def _images(url: str, outputs: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    for node, shown in outputs.items():
        for image in shown.get("images", []):
            place = {key: str(image.get(key, "")) for key in ("filename", "subfolder", "type")}
            yield {**place, "node": node, "url": f"{url}/view?{urlencode(place)}"}


def _error(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The last error or interruption that the run's messages tell, in the shape of a rejection's `error`."""
    for kind, data in reversed(entry.get("status", {}).get("messages", [])):
        if kind == "execution_error":
            return {
                "type": data.get("exception_type", "error"),
                "message": data.get("exception_message", "the run failed"),
                "details": f"node {data.get('node_id')} ({data.get('node_type')})",
                "extra_info": {"node_id": data.get("node_id"), "node_type": data.get("node_type")},
            }
        if kind == "execution_interrupted":
            return {"type": "interrupted", "message": "the run was interrupted", "details": "", "extra_info": {}}
    return None
