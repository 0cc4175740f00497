"""Freezes and windows: compiled, and whether they hold a change."""
