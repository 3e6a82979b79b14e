"""Independent answers to what each signal is: torchsim where it has the sequence, an obvious loop where not."""
