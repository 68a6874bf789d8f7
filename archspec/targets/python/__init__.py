"""Python, whatever the framework: a small tree of it, its layout, and its execution on symbols."""
