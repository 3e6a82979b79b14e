"""Image to image: what a scanner adds to a signal. Draw a record, then apply it."""
