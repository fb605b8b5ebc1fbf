"""What the training process does, part by part: rows to tokens, a model to train, events, samples, saving."""
