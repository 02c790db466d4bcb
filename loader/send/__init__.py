"""Pairs -> outcomes: requests are made, within the portal's limits, until each has an answer."""
