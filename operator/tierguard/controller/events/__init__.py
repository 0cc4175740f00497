"""Events: what one says, and how many are posted."""
