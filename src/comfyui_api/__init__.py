"""A client for Limner (and ComfyUI) servers, and workflows as Python objects.

Over HTTP, to a running server::

    from comfyui_api import ComfyUIAPI

    api = ComfyUIAPI()                                   # or ComfyUIAPI("http://127.0.0.1:8200"), or LIMNER_URL
    result = api.execute_workflow(workflow)              # API-format dict, its JSON text, a path, or a Workflow
    result.raise_for_status()
    api.download(result.images[0])                       # bytes of the picture

In this process, without a server::

    from comfyui_api import Node, Workflow

    workflow = Workflow()
    workflow.add_node(Node("1", "EmptyImage", {"width": 64, "height": 64, "color": 0xFF0000}, ["IMAGE"]))
    workflow.add_node(Node("2", "ImageInvert", {}, ["IMAGE"]))
    workflow.connect("1", 0, "2", "image")
    results = workflow.execute()                         # node id -> what the node gave, as a tuple

`ExecutionEngine` runs such a workflow step by step, and `get_node_handler(node_type)` is the call behind one node.
"""

from .client import ComfyUIAPI
from .engine import ExecutionEngine
from .errors import ComfyUIError, NodeFailed, ServerUnreachable, WorkflowFailed
from .handlers import get_node_handler
from .results import Image, Result
from .workflow import Node, Workflow

__all__ = [
    "ComfyUIAPI",
    "ComfyUIError",
    "ExecutionEngine",
    "Image",
    "Node",
    "NodeFailed",
    "Result",
    "ServerUnreachable",
    "Workflow",
    "WorkflowFailed",
    "get_node_handler",
]
