"""Limner as a service of systemd: the unit for this machine, and what systemd is asked to do with it."""

from .machine import Scope, wanted
from .systemd import Systemd, SystemdProblem
from .unit import Unit, text

__all__ = ["Scope", "Systemd", "SystemdProblem", "Unit", "text", "wanted"]
