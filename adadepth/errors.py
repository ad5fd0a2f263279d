"""The one exception that a person's input can cause."""


class InputError(ValueError):
  """Bad input: the message is one line that names the argument or file, its value and the cure."""
