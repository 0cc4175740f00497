"""Stand-ins on loopback for what tests cannot have sick at will."""
