"""The disruption budgets that the operator maintains."""
