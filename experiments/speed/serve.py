"""The other end of the pipe: `python serve.py MODULE` makes that module's `Side` and calls its methods as asked."""

import importlib
import os
import pickle
import sys


def main() -> None:
  """Pickles of (method, arguments) come in on standard input; (result, error) goes out on what was standard output."""
  answers = os.fdopen(os.dup(1), "wb")
  os.dup2(2, 1)  # what libraries print goes to standard error
  side = importlib.import_module(sys.argv[1]).Side()
  while True:
    try:
      method, arguments = pickle.load(sys.stdin.buffer)
    except EOFError:
      return
    try:
      answer = getattr(side, method)(**arguments), None
    except Exception as error:
      answer = None, f"{type(error).__name__}: {error}"
    pickle.dump(answer, answers)
    answers.flush()


if __name__ == "__main__":
  main()
