"""WHAT to compute: graphs, node schemas, and what is wrong with them. Standard library only."""

from .catalog import Catalog
from .graph import Graph, InputValue, Link, Literal, Node, NodeId
from .problems import InvalidGraph, Problem
from .schema import FileChoices, Input, Lane, NodeSchema, Output, Presence, Traits

__all__ = [
    "Catalog",
    "FileChoices",
    "Graph",
    "Input",
    "InputValue",
    "InvalidGraph",
    "Lane",
    "Link",
    "Literal",
    "Node",
    "NodeId",
    "NodeSchema",
    "Output",
    "Presence",
    "Problem",
    "Traits",
]
