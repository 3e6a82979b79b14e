"""Numbers at rest and what may be concluded from them; imports no torch."""
