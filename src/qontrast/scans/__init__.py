"""Files to tensors and back: NIfTI, BIDS names."""
