"""The fetch stage, before read: remote inputs become private local files, and results are copied to remote places."""

from loader.fetch.address import Address, address, is_address, without_secrets
from loader.fetch.copies import check_place, copy_to, keep_beside
from loader.fetch.fetched import Fetched, Watch, private_copy, remove_copy
from loader.fetch.objects import fetch, listed
from loader.fetch.query import fetch_rows, order_note

__all__ = [
    "Address",
    "Fetched",
    "Watch",
    "address",
    "check_place",
    "copy_to",
    "fetch",
    "fetch_rows",
    "is_address",
    "keep_beside",
    "listed",
    "order_note",
    "private_copy",
    "remove_copy",
    "without_secrets",
]
