"""Where the one pair of Flower apps runs: in this process (`local_grid`), or on Flower's own daemons (`deployment`)."""
