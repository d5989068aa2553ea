"""Durable jobs, waiting for their turn.

In short (both `MemoryQueue()` and `SqliteQueue(database)` are a `JobQueue`; methods are coroutines unless noted)::

    job = await queue.add(NewJob(id, prompt, targets, extra, client), front=False, number=None)
                                        # on disk when it returns; raises DatabaseProblem when it cannot be
    job.id, job.number (lower runs first; `front` makes it negative), job.prompt (API JSON), job.targets, job.extra,
    job.client, job.owner, job.attempts, job.lost, job.added (Unix time); job.place: the same without prompt and extra
    job = await queue.take()            # waits for one; it is running from now on
    await queue.done(job.id)            # it has ended, however it ended
    await queue.put_back(job.id)        # it waits again, in its place
    await queue.pause(id)               # a waiting one: it is kept until `queue.resume(id)`
    await queue.delete([id, ...])       # waiting and paused jobs only; returns the ids that were removed
    await queue.clear()                 # all waiting jobs; returns their ids
    await queue.move(id, before=other)  # or after=other
    await queue.prioritise(id, 5)
    await queue.hold(), queue.let_go(); queue.held      # the queue as a whole
    queue.find(id), queue.state(id)     # plain calls from here on: a job, where it stands (State), or None
    queue.jobs(State.WAITING, owner=None, offset=0, limit=50)   # a page of full jobs, read from the disk
    queue.places(...)                   # the same, without what they are to do: from memory
    queue.count(State.WAITING, owner=None)
    queue.running(), queue.waiting(), queue.paused()    # all jobs of a state, in order
    queue.next()                        # the place of the job that would be taken now, or None
    len(queue)                          # waiting and running
    queue.watch(callback)               # called with no arguments after each change; returns a function that stops it
    await queue.close()

`NewJob.attachment` is any object that stays in memory beside the job (a checked graph, so that it need not be read
again); None after a restart, and in a long queue. A job that was running when the process died is waiting again when
the queue is opened, and says `lost`.
"""

from .base import JobQueue
from .job import Job, NewJob, Place, State
from .memory import MemoryQueue
from .sqlite import SqliteQueue

__all__ = ["Job", "JobQueue", "MemoryQueue", "NewJob", "Place", "SqliteQueue", "State"]
