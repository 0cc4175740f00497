"""The statuses of freezes, windows and policies."""
