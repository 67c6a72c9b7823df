"""Models: folders, tables, sessions of the engine."""
