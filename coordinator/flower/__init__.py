"""The bureau's side of Flower: SuperLink, its guard, the edge for participants, the app, the bus."""
