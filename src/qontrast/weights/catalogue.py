"""Packed weights by a short name. None are published yet: the list is empty until there are some worth having."""

CATALOGUE: dict[str, str] = {}
"""Short name to the repository on the hub that holds the weights, ``owner/repo@revision``."""
