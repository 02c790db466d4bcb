"""The fetch stage, before read: what lies elsewhere becomes a private local file, and results are copied elsewhere."""

from loader.fetch.address import Address, address, is_address
from loader.fetch.fetched import Fetched, Watch, private_copy
from loader.fetch.objects import fetch, listed

__all__ = ["Address", "Fetched", "Watch", "address", "fetch", "is_address", "listed", "private_copy"]
