"""A participant's side of Flower: the app, the executor that keeps it warm and pinned, the SuperNode."""
