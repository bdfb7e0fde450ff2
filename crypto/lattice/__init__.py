"""Ring-LWE encryption (BFV): inner products with what another party holds, and sums over many parties."""
