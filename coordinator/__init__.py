"""The bureau: it conducts, relays and adds up what it cannot read."""
