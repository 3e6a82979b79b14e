"""Studies: many cells of one comparison, planned in one file, run where something is missing, and judged together."""
