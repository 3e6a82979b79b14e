"""What a pretraining asks of the networks: each objective with its head, its loss and its part of the plan."""
