"""What decisions read and say: objects, workloads, scopes, the state, a change, and the decision."""
