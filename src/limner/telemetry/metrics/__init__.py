"""Metrics: counted by readers of the event bus, read from the machine, written for Prometheus."""

from .activity import Activity
from .exposition import Exposition, Source
from .families import Family, declared
from .gpus import Gpu, Gpus
from .machine import Cores

__all__ = ["Activity", "Cores", "Exposition", "Family", "Gpu", "Gpus", "Source", "declared"]
