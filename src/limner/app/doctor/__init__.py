"""Looks an installation over: what would keep a server from starting or from running what it is asked, and the remedy.

In short::

    for section, findings in examine(settings):    # one section after the other, as they are looked at
        ...

Nothing is changed, and nothing but this machine is asked. What takes long or may crash (torch with its drivers) runs in
a process of its own.
"""

from .examination import examine
from .finding import Finding, Level, failed, noted, warned, well

__all__ = ["Finding", "Level", "examine", "failed", "noted", "warned", "well"]
