"""Who decides about the guard itself."""
