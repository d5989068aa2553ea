"""Another version of Limner beside this one: saved workflows run on both, their pictures compared, then the switch.

check(settings, source, tell)    ->  Checked, written down as well
switch(settings, source)         ->  the environment holds what was checked
"""

from .checking import Checked, check
from .comparing import Finding, Verdict
from .problems import UpgradeProblem
from .switching import Switched, switch

__all__ = ["Checked", "Finding", "Switched", "UpgradeProblem", "Verdict", "check", "switch"]
