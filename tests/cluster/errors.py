"""The one exception of this package."""


class ClusterError(Exception):
    """Something that a person has to know, or do something about.

    The message is complete: what failed, what was found, what to do. It is printed as it is, without a stack trace.
    """
