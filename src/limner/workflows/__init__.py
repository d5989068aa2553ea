"""Workflows kept as endpoints, and batches of their runs.

    Kept            a workflow under a name and version, with the inputs and outputs that were chosen
    Port            one of those inputs: a name for a node's input
    Field           a port with its type, as the node's schema says it now
    WorkflowStore   keeps them; BatchStore keeps which jobs were queued together

Prompts are workflows in API form here: nodes by id, each with `class_type` and `inputs`.
"""

from .batches import Batch, BatchJob, BatchStore, combinations, count
from .fields import Field, Kind, fields_of
from .interface import InterfaceProblem, Output, Port, chosen_inputs, chosen_outputs, filled, titled
from .library import Library
from .store import Kept, WorkflowStore
from .values import BadValue, checked

__all__ = [
    "BadValue",
    "Batch",
    "BatchJob",
    "BatchStore",
    "Field",
    "InterfaceProblem",
    "Kept",
    "Kind",
    "Library",
    "Output",
    "Port",
    "WorkflowStore",
    "checked",
    "chosen_inputs",
    "chosen_outputs",
    "combinations",
    "count",
    "fields_of",
    "filled",
    "titled",
]
