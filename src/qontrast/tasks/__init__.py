"""Pretrain, fine-tune, predict, evaluate, simulate: the only room that puts the others together."""
