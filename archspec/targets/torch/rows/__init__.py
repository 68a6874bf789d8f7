"""Code from rows: a block is a class, a repetition a loop, a condition an `if`."""
