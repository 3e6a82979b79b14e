"""Results to one self-contained HTML page; imports no torch."""
