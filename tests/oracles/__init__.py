"""Independent answers to what each sequence's signal is: torchsim where it has the sequence, an obvious loop where not."""
