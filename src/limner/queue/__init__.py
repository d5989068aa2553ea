"""Durable jobs, waiting for their turn.

In short (both `MemoryQueue()` and `SqliteQueue(path)` are a `JobQueue`; every method is a coroutine unless noted)::

    job = await queue.add(NewJob(id, prompt, targets, extra, client), front=False, number=None)
                                        # on disk when it returns; raises QueueUnavailable when it cannot be
    job.id, job.number (lower runs first; `front` makes it negative), job.prompt (API JSON), job.targets, job.extra,
    job.client, job.attempts, job.added (Unix time)
    job = await queue.take()            # waits for one; it is running from now on
    await queue.done(job.id)            # it has ended, however it ended
    await queue.put_back(job.id)        # it waits again, in its place
    await queue.pause(id)               # running or waiting: it is kept until `queue.resume(id)`
    await queue.delete([id, ...])       # waiting and paused jobs only; returns the ids that were removed
    await queue.clear()                 # all waiting jobs; returns their ids
    queue.running(), queue.waiting(), queue.paused()    # plain calls: tuples of jobs, in order
    queue.next()                        # the job that would be taken now, or None
    len(queue)                          # waiting and running
    queue.watch(callback)               # called with no arguments after each change; returns a function that stops it
    await queue.close()

`NewJob.attachment` is any object that stays in memory beside the job (a checked graph, so that it need not be read
again); None after a restart. A job that was running when the process died is waiting again when the queue is opened.
"""

from .base import JobQueue
from .job import Job, NewJob
from .memory import MemoryQueue
from .sqlite import QueueUnavailable, SqliteQueue

__all__ = ["Job", "JobQueue", "MemoryQueue", "NewJob", "QueueUnavailable", "SqliteQueue"]
