"""The operator: looks at the whole picture, works out what should be there, and makes it so. Level-based.

`reconcile.Reconciler` is the loop; `status`, `maintained`, `rollback` and `configuration` are pure functions from the
cluster's state to what should be there; `operator` is the kopf part.
"""
