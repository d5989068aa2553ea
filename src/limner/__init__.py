"""Limner: node graphs that make images, video and sound.

The data flows one way: workflow JSON -> `graph.Graph` -> `graph.Problem`s or `engine.Plan` -> run -> `engine.Event`s
and artifacts. `docs/architecture/` explains each layer; `app/` is the only package that wires them together.
"""

__version__ = "0.1.0"
