"""How to optimise anything: devices, loop, checkpoint, journal, progress."""
