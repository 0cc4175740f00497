"""The operator: looks at the whole picture, works out what should be there, and makes it so. Level-based.

`operator` is the kopf part and `reconcile.Reconciler` one pass. Each room keeps one thing: a pure module says what should be
there, and its keeper makes it so.
"""
