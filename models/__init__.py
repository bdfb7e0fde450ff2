"""The credit model, its training mathematics, and what goes over the wire."""
