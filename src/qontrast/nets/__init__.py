"""Learnable functions, built from blocks of MONAI; they know shapes, not MRI."""
