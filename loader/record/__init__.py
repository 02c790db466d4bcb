"""Outcomes -> files: the journal first, and every other file a view of it."""
