"""HOW it runs: asyncio, standard library only.

In short::

    verdict = await admit(executor, run_id, graph, catalog, targets=None, choices=folders.choices)
    verdict.ok, verdict.targets, verdict.graph, verdict.problems, verdict.error, verdict.dependents
    engine = Engine(executor, MemoryCache(budget=2**32))
    result = await engine.run(RunRequest(run_id, verdict.graph, verdict.targets, catalog, hidden), sink)
    result.status ('done' | 'failed' | 'cancelled'), result.outputs {node: ui}, result.failure, result.seconds
    await engine.interrupt(run_id)      # True if it was running; it ends as 'cancelled' at its steps' next check
    await engine.clear_cache()          # everything that no run holds
    engine.forget(place)                # a host is gone, with its values
    engine.explain(run_id)              # a Reason for each step of one of the latest runs, or None

`sink` is called with batches of `Event`s (see `events`), `choices` is a callable FileChoices -> the values to choose
from. `ports` says what an executor and a cache must do. The scheduler does no I/O: facts go in, actions come out; its
cost per fact is that of what the fact changes, never of the graph.
"""

from .admission import admit
from .errors import EngineError
from .reasons import Change, Reason
from .run import Engine, RunRequest, RunResult

__all__ = ["Change", "Engine", "EngineError", "Reason", "RunRequest", "RunResult", "admit"]
