"""Weights of other trainings: read as data, paired with a network's, loaded; what is frozen."""
