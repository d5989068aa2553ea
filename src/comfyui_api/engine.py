"""`ExecutionEngine`: a workflow becomes a plan, a list of steps, and the steps run one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .errors import ComfyUIError
from .handlers import get_node_handler
from .order import dependencies_first
from .workflow import Workflow


class ExecutionEngine:
    """Runs workflows in this process; `results` holds what each node of the last one gave."""

    workflow: Workflow | None = None

    def __init__(self) -> None:
        self.executor: object = None
        self.queue: list[dict[str, Any]] = []
        self.results: dict[str, Any] = {}

    def execute_workflow(self, workflow: Workflow) -> dict[str, Any]:
        """Run every node; gives node id -> what the node gave."""
        self.results = {}
        self.queue = self.create_execution_plan(workflow)
        while self.queue:
            self.execute_step(self.queue.pop(0))
        return self.results

    def create_execution_plan(self, workflow: Workflow) -> list[dict[str, Any]]:
        """The steps in the order they run: `node_id`, `node_type` and the constant `inputs` of each."""
        self.workflow = workflow
        order = self.topological_sort(self.analyze_dependencies(workflow))
        return [
            {"node_id": node_id, "node_type": workflow.nodes[node_id].type, "inputs": workflow.nodes[node_id].inputs}
            for node_id in order
        ]

    def analyze_dependencies(self, workflow: Workflow) -> dict[str, list[str]]:
        """Node id -> the ids of the nodes that it needs."""
        self.workflow = workflow
        return workflow.build_execution_graph()

    def topological_sort(self, dependencies: Mapping[str, Iterable[str]]) -> list[str]:
        """The node ids, each after those that it needs."""
        return dependencies_first(dependencies)

    def execute_step(self, step: Mapping[str, Any]) -> Any:
        """Run one step of the plan and keep its result."""
        result = get_node_handler(step["node_type"])(**self.collect_input_data(step))
        self.results[step["node_id"]] = result
        return result

    def collect_input_data(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """A step's inputs: its constants, and what the steps before it gave."""
        if self.workflow is None:
            raise ComfyUIError("there is no plan; call create_execution_plan(workflow) first")
        return self.workflow.collect_inputs(self.workflow.nodes[step["node_id"]], self.results)
