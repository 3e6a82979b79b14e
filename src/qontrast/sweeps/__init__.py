"""The contrast sweep: one brain in a grid of protocols, and what a network makes of each."""
