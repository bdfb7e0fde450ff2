"""How nodes talk: TLS with pinned certificates, signed requests, problems, servers and peers."""
