"""Embeddings or predictions to one scalar."""
