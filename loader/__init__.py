"""Loads association rows from files into HubSpot."""
