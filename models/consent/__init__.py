"""What a consent allows now: the fair-use rules that bound it, the state it is in, the uses that are left."""
