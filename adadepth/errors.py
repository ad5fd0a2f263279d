"""The one exception that a person's input can cause."""


class InputError(ValueError):
  """Bad input: the message is one line that names the argument or file, its value and the cure.

  What a file says of itself may stand in it: characters that end a line, or that a terminal would obey, become spaces.
  """

  def __init__(self, message: str) -> None:
    super().__init__("".join(character if character.isprintable() else " " for character in message))
