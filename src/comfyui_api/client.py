"""`ComfyUIAPI`: the HTTP API of a running server as methods. Standard library only; safe to share between threads."""

from __future__ import annotations

import json
import mimetypes
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from .errors import ComfyUIError, ServerUnreachable
from .results import Image, Result, finished, rejected
from .workflow import Workflow

DEFAULT_URL = "http://127.0.0.1:8188"
FIRST_WAIT, LONGEST_WAIT = 0.002, 0.5
"""Seconds between questions whether a run is over."""


class ComfyUIAPI:
    """One server. `url` defaults to the environment's LIMNER_URL, else to port 8188 of this machine.

    Methods raise ServerUnreachable when nothing answers, and ComfyUIError when the server refuses a request;
    `execute_workflow` tells of rejected and failed workflows in its result.
    """

    def __init__(self, url: str | None = None, *, client_id: str | None = None, timeout: float = 60.0) -> None:
        self.url = (url or os.environ.get("LIMNER_URL") or DEFAULT_URL).rstrip("/")
        self.client_id = client_id or uuid.uuid4().hex
        self.timeout = timeout
        """Seconds until one HTTP request is given up."""

    def execute_workflow(
        self, workflow: object, parameters: Mapping[str, object] | None = None, *, timeout: float | None = None
    ) -> Result:
        """Run a workflow and wait for its end, at most `timeout` seconds (TimeoutError).

        `workflow` is an API-format dict, its JSON text, the path of a file with it, or a `Workflow`. `parameters` are
        inputs to change, as ``{"3.seed": 7}``.
        """
        prompt = _with_parameters(_prompt(workflow), parameters or {})
        status, answer = self._json("POST", "/prompt", {"prompt": prompt, "client_id": self.client_id})
        if status >= 400:
            return rejected(answer if isinstance(answer, dict) else {"error": {"message": str(answer)}})
        return self.wait(str(answer["prompt_id"]), timeout=timeout)

    def wait(self, prompt_id: str, *, timeout: float | None = None) -> Result:
        """The result of a queued prompt, once it is over."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = FIRST_WAIT
        while True:
            entry = self.history(prompt_id).get(prompt_id)
            if entry is not None and entry.get("status"):
                return finished(self.url, prompt_id, entry)
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"prompt {prompt_id} has not ended within {timeout} s; it is still queued")
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_WAIT)

    def history(self, prompt_id: str | None = None) -> dict[str, Any]:
        """Finished prompts by id."""
        return self._get(f"/history/{quote(prompt_id)}" if prompt_id else "/history")

    def queue(self) -> dict[str, Any]:
        """`queue_running` and `queue_pending`."""
        return self._get("/queue")

    def clear_queue(self) -> None:
        """Drop what waits; what runs goes on."""
        self._post("/queue/clear", {})

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Stop the running prompt (this one only, if given)."""
        self._post("/interrupt", {"prompt_id": prompt_id} if prompt_id else {})

    def free(self, *, models: bool = True, cache: bool = True) -> None:
        """Unload the models that no run uses, and forget remembered results."""
        self._post("/free", {"unload_models": models, "free_memory": cache})

    def object_info(self, node_type: str | None = None) -> dict[str, Any]:
        """The interfaces of all node types, or of one."""
        return self._get(f"/object_info/{quote(node_type)}" if node_type else "/object_info")

    def system_stats(self) -> dict[str, Any]:
        return self._get("/system_stats")

    def models(self, folder: str | None = None) -> Any:
        """The model folders, or the files of one."""
        return self._checked(*self._json("GET", f"/models/{quote(folder)}" if folder else "/models"))

    def upload_image(self, path: str | Path, *, overwrite: bool = False) -> dict[str, Any]:
        """Put a picture into the server's input folder; the answer's `name` is what LoadImage takes."""
        file = Path(path)
        fields = {"overwrite": "true" if overwrite else "false"}
        body, content_type = _multipart(fields, "image", file.name, file.read_bytes())
        status, data = self._request("POST", "/upload/image", body, content_type)
        answer: dict[str, Any] = self._checked(status, json.loads(data))
        return answer

    def download(self, image: Image | Mapping[str, str]) -> bytes:
        """The bytes of a picture of a result."""
        named = (
            {"filename": image.filename, "subfolder": image.subfolder, "type": image.type}
            if isinstance(image, Image)
            else {key: image[key] for key in ("filename", "subfolder", "type") if key in image}
        )
        status, data = self._request("GET", f"/view?{urlencode(named)}")
        if status >= 400:
            raise ComfyUIError(f"{self.url} has no file {named['filename']!r} (HTTP {status})")
        return data

    def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._checked(*self._json("GET", path))
        return answer

    def _post(self, path: str, content: object) -> Any:
        return self._checked(*self._json("POST", path, content))

    def _checked(self, status: int, answer: Any) -> Any:
        if status >= 400:
            raise ComfyUIError(f"{self.url} refused (HTTP {status}): {answer}")
        return answer

    def _json(self, method: str, path: str, content: object = None) -> tuple[int, Any]:
        body = None if content is None else json.dumps(content).encode()
        status, data = self._request(method, path, body, "application/json")
        try:
            return status, json.loads(data) if data.strip() else {}
        except ValueError:
            return status, data.decode("utf-8", "replace")

    def _request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": content_type} if body is not None else {}
        request = Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                return answer.status, answer.read()
        except HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()
        except (URLError, ConnectionError) as error:
            raise ServerUnreachable(self.url, getattr(error, "reason", error)) from error


def _prompt(workflow: object) -> object:
    """The API-format dict of whatever a caller calls a workflow; unusable things go to the server, which says why."""
    if isinstance(workflow, Workflow):
        return workflow.to_prompt()
    if isinstance(workflow, Path):
        workflow = workflow.read_text("utf-8")
    elif isinstance(workflow, str) and not workflow.lstrip().startswith("{"):
        workflow = Path(workflow).read_text("utf-8")
    if isinstance(workflow, str):
        try:
            return json.loads(workflow)
        except ValueError as error:
            raise ComfyUIError(f"the workflow is not JSON: {error}") from error
    return workflow


def _with_parameters(prompt: object, parameters: Mapping[str, object]) -> object:
    if not parameters or not isinstance(prompt, Mapping):
        return prompt
    changed = {node: {**what, "inputs": dict(what.get("inputs", {}))} for node, what in prompt.items()}
    for target, value in parameters.items():
        node, _, name = target.partition(".")
        if node not in changed or not name:
            raise ComfyUIError(f"the workflow has no input {target!r}; name one as NODE.INPUT, such as '3.seed'")
        changed[node]["inputs"][name] = value
    return changed


def _multipart(fields: Mapping[str, str], name: str, filename: str, data: bytes) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    safe = filename.replace('"', "%22")
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{safe}"\r\n'
    parts += [f"{head}Content-Type: {kind}\r\n\r\n".encode(), data, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
