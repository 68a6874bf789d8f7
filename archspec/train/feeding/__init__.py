"""What an epoch shows, drawn before it begins, and the batches that are made of it."""
