"""Commands that every node has, whatever its role."""
