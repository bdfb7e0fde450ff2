"""A synthetic Chongqing: enterprises, what the departments and banks hold of them, and who will not repay.

`make_world` gives the data of a federation; `ground_truth` gives what nobody in it knows. Everything follows from the
seed: the same parameters give the same world, and another `month` shows the same enterprises at another time.

The enterprises' true state and the process by which they default are described in `economy`, what a department's
records show of it in `records`, and whom a bank serves in `clientele`.
"""

from simulations.world.economy import ground_truth
from simulations.world.federation import make_world
from simulations.world.parameters import WorldParameters

__all__ = ["WorldParameters", "ground_truth", "make_world"]
