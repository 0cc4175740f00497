"""The command `tierguard`: `check` for pipelines, `operator` and `webhook` for the cluster."""
