"""One module a guarded kind of object: what of it a freeze may hold, and how a change to it is decided."""
