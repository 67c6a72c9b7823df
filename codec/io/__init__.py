"""Getting at files, wherever they lie."""
