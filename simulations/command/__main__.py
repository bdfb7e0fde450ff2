"""`python -m simulations.command`: the same as `yurong`."""

from simulations.command.main import main

main()
