"""What a network costs and sees: one small pass a question."""
