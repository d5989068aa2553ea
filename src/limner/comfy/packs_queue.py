"""The server's queue and history, as packs see them from inside a host: by the server's own HTTP interface."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

SECONDS = 10.0


class ServerQueue:
    """ComfyUI's `prompt_queue`. `url` is the server's; methods raise ConnectionError where nothing answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.flags: dict[str, Any] = {}

    @property
    def currently_running(self) -> dict[int, Any]:
        return dict(enumerate(self.get_current_queue()[0]))

    @property
    def queue(self) -> list[Any]:
        return self.get_current_queue()[1]

    @property
    def history(self) -> dict[str, Any]:
        return self.get_history()

    def get_current_queue(self) -> tuple[list[Any], list[Any]]:
        """What runs, and what waits: [number, id, prompt, extra data, outputs] each."""
        answer = self._ask("GET", "/queue")
        return answer.get("queue_running", []), answer.get("queue_pending", [])

    get_current_queue_volatile = get_current_queue

    def get_tasks_remaining(self) -> int:
        return sum(map(len, self.get_current_queue()))

    def get_history(
        self,
        prompt_id: str | None = None,
        max_items: int | None = None,
        offset: int = -1,
        map_function: Callable[[Any], Any] | None = None,
    ) -> dict[str, Any]:
        limit = f"?max_items={max_items}" if max_items is not None else ""
        found = self._ask("GET", f"/history/{quote(prompt_id)}" if prompt_id else f"/history{limit}")
        entries: dict[str, Any] = dict(list(found.items())[offset:] if offset > 0 else found)
        return {key: map_function(entry) for key, entry in entries.items()} if map_function else entries

    def put(self, item: Any) -> None:
        """Queue a workflow: (number, id, prompt, extra data, outputs)."""
        number, prompt_id, prompt, extra, *_ = item
        body = {"prompt": prompt, "prompt_id": prompt_id, "extra_data": extra, "number": number}
        self._ask("POST", "/prompt", {**body, "client_id": (extra or {}).get("client_id")})

    def wipe_queue(self) -> None:
        self._ask("POST", "/queue", {"clear": True})

    def delete_queue_item(self, function: Callable[[Any], bool]) -> bool:
        """Drop the first waiting item that the function is true of; whether there was one."""
        found = next((item for item in self.queue if function(item)), None)
        if found is not None:
            self._ask("POST", "/queue", {"delete": [found[1]]})
        return found is not None

    def wipe_history(self) -> None:
        self._ask("POST", "/history", {"clear": True})

    def delete_history_item(self, id_to_delete: str) -> None:
        self._ask("POST", "/history", {"delete": [id_to_delete]})

    def set_flag(self, name: str, data: Any) -> None:
        """`unload_models` and `free_memory` are done at once; any other is only remembered."""
        if name in ("unload_models", "free_memory"):
            self._ask("POST", "/free", {name: bool(data)})
        else:
            self.flags[name] = data

    def get_flags(self, reset: bool = True) -> dict[str, Any]:
        flags = dict(self.flags)
        if reset:
            self.flags.clear()
        return flags

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if not self.url:
            return {}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=SECONDS) as answer:
                text = answer.read()
        except HTTPError as error:
            with error:
                reason = error.read().decode("utf-8", "replace")
            raise ValueError(f"the server refused {method} {path}: {reason}") from error
        except URLError as error:
            raise ConnectionError(f"the server does not answer: {error.reason}") from error
        found = json.loads(text) if text.strip() else {}
        return found if isinstance(found, dict) else {}
