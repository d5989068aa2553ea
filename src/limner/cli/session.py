"""Running workflows from a command: open the local engine, check, run with a bar, and say what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from limner.graph import InvalidGraph, Problem
from limner.settings import Settings

from .console import errors
from .errors import BadInput, CommandFailed, RunFailed
from .progress import RunProgress

if TYPE_CHECKING:
    from limner.app.local import Local
    from limner.engine import RunResult
    from limner.graph.validate import Verdict

    from .workflow_file import Prompt

Answer = TypeVar("Answer")


def with_local(settings: Settings, work: Callable[[Local], Coroutine[Any, Any, Answer]]) -> Answer:
    """Open the engine and the nodes in this process for a piece of work. Raises CommandFailed."""

    async def session() -> Answer:
        from limner.app.local import open_local

        async with open_local(settings) as local:
            return await work(local)

    return or_bad_input(lambda: asyncio.run(session()))


def or_bad_input(work: Callable[[], Answer]) -> Answer:
    """What the work gives; an unusable folder or file of the settings is bad input."""
    from limner.comfy.adopted.folder import NoComfyUI
    from limner.engine.ports import HostLost, HostUnavailable
    from limner.files import FileProblem

    try:
        return work()
    except (FileProblem, NoComfyUI) as error:
        raise BadInput(error.problem, error.remedy) from error
    except HostUnavailable as error:
        raise BadInput(str(error), error.remedy) from error
    except HostLost as error:
        raise CommandFailed(f"the nodes could not be loaded: {error}", "See what --verbose DEBUG prints") from error


async def run_prompt(
    local: Local, prompt: Prompt, workflow: Mapping[str, Any] | None, progress: RunProgress
) -> RunResult:
    """Check and run a prompt. Raises BadInput with all its problems, or RunFailed with the node that failed."""
    verdict = await checked(local, prompt)
    if not verdict.ok:
        raise rejection(problems_of(verdict), prompt)
    result = await local.run(verdict, prompt, workflow, progress)
    if result.status != "done":
        raise _failure(result, prompt)
    for problem in verdict.problems:
        errors().print(f"Left out: {described(problem, prompt)}", style="yellow", markup=False)
    return result


async def checked(local: Local, prompt: Prompt) -> Verdict:
    """What is wrong with a prompt. Raises BadInput where it is no prompt at all."""
    try:
        return await local.check(prompt)
    except InvalidGraph as error:
        raise rejection(error.problems, prompt) from error


def problems_of(verdict: Verdict) -> tuple[Problem, ...]:
    """Everything that a verdict says is wrong."""
    return verdict.problems or ((verdict.error,) if verdict.error else ())


def rejection(problems: Sequence[Problem], prompt: Prompt) -> BadInput:
    """All problems of a workflow as one error."""
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
    lines = "\n".join(f"  {described(problem, prompt)}" for problem in problems)
    return BadInput(f"the workflow cannot run, {count}:\n{lines}")


def described(problem: Problem, prompt: Prompt) -> str:
    """A problem in one line: the node with its type and title, the input, what is wrong, and the remedy."""
    where = named(problem.node, prompt) if problem.node else ""
    if problem.input:
        where += f", input '{problem.input}'"
    message = problem.message.rstrip(".")
    text = f"{where}: {message}" if where else message
    if problem.detail and problem.detail not in (problem.input, problem.message):
        text += f" ({problem.detail.rstrip('.')})"
    return f"{text}. {problem.remedy}" if problem.remedy else text


def named(node: str, prompt: Prompt) -> str:
    """`node 3 (KSampler, "My sampler")`."""
    what = prompt.get(node, {})
    kind, title = what.get("class_type", ""), (what.get("_meta") or {}).get("title", "")
    described = ", ".join([str(kind), *([f'"{title}"'] if title and title != kind else [])])
    return f"node {node} ({described})" if kind else f"node {node}"


def _failure(result: RunResult, prompt: Prompt) -> CommandFailed:
    failure = result.failure
    if failure is None or result.status == "cancelled":
        return RunFailed("the run was interrupted")
    where = f"{named(failure.node, prompt)}: " if failure.node else ""
    return RunFailed(f"{where}{failure.message or failure.kind}", failure.remedy)


def titles(prompt: Prompt, shown: Mapping[str, str]) -> dict[str, str]:
    """What to call each node while it runs: its title, else its type's display name."""
    found = {}
    for node, what in prompt.items():
        kind = str(what.get("class_type", ""))
        found[node] = str((what.get("_meta") or {}).get("title") or shown.get(kind) or kind)
    return found


def saved_files(result: RunResult, folder: Callable[[str], Path]) -> list[Path]:
    """The files that the run's output nodes saved or showed, in order, each once."""
    found: dict[Path, None] = {}
    for ui in result.outputs.values():
        for shown in ui.values():
            for entry in shown if isinstance(shown, list | tuple) else ():
                if isinstance(entry, Mapping) and entry.get("filename"):
                    place = folder(str(entry.get("type") or "output")) / str(entry.get("subfolder") or "")
                    found[place / str(entry["filename"])] = None
    return list(found)


def shown_texts(result: RunResult) -> list[str]:
    """The texts that the run's output nodes show."""
    return [str(text) for ui in result.outputs.values() for text in _list(ui.get("text"))]


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else () if value is None else (value,)
