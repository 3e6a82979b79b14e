"""Trained networks as files: safetensors with the preprocessing contract; no pickled code is ever run."""
