"""Rows -> pairs: names become ids, and rows of one pair become one request."""
