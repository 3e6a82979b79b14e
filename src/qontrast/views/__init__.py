"""One subject to two views that ought to embed alike."""
