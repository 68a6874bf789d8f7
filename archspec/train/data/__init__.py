"""Pictures: found in folders, tables and archives or drawn, decoded, kept, and divided."""
