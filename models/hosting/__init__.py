"""What hosts a node on either side: HTTPS, trust between nodes, the database. It knows nothing of credit."""
