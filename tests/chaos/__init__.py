"""`make chaos`: faults of every kind against tierguard on the embedded control plane, under load, and what came of it."""
