"""The rollback record."""
