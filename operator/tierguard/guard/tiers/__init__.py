"""Which tier something is, what leaving it means, and how its deletion is announced."""
