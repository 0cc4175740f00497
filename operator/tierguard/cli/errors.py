"""What is wrong with what a person typed or wrote."""


class InputError(Exception):
    """Bad input: the text names file, object and field, and says what to do. Shown without a stack trace."""
