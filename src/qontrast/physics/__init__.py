"""Tissue to signal: tensor equations in SI units; no files, no networks."""
