"""A simulated enterprise: the person who signs for it, the browser, and what it keeps, until there is the portal."""
