"""Small protocol faults, each put into the real logic: what the simulator must find.

Most replace a few words of one function by others; when the words are no longer there, `reworded` says so. Where the rule is kept at
the edge, which does I/O and is not played, the fault goes into the simulator's stand-in for it, and the docstring says of what.
"""

from tests.simulation.mutants import answers, copies, desktop, hello, leasing
from tests.simulation.mutants.catalogue import MUTANTS, Mutant

__all__ = ["MUTANTS", "Mutant", "answers", "copies", "desktop", "hello", "leasing"]
