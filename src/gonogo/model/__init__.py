"""Floor 0: the vocabulary. Pure values, standard library only."""
