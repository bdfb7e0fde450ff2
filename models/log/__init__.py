"""Who signs the transparency log of a federation and who witnesses it, by the names of C2SP."""
