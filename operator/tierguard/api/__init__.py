"""The three kinds, `tierguard.io/v1alpha1`, as pydantic models: the one source of `crds/` and of the API's docs."""
