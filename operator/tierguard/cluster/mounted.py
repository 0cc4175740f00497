"""Names of the files that the webhook finds beside its certificate."""

REVIEW_PATHS = "paths"
"""The paths on which reviews are answered (`review_path`)."""
