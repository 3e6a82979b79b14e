"""Prediction and truth to one number (thin over MONAI)."""
