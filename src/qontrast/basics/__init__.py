"""Words that every room shares: errors, shapes, randomness, grids, atomic files."""
