"""Why a score is not higher: reason families, the points that an enterprise loses in each, and what is said of them."""
