"""The read stage: files become judged rows. Nothing is guessed: a row can be sent, or it is rejected with a reason."""

from loader.read.inputs import Input, open_inputs

__all__ = ["Input", "open_inputs"]
