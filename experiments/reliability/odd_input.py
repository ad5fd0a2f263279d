"""Odd input: bytes that were something once, lines of numbers and of what is none."""

import random

from hypothesis import strategies as st

HEAD = 4096  # bytes, where formats have their headers
TOKENS = (
  *(b"", b"nan", b"-1", b"0", b"1e400", b"-inf", b"1e-45", b"9" * 20, b"9" * 5000, b"0x1F", b"1_0", b"\xd9\xa3"),
  *(b"\0", b",", b";", b"\t", b"\n", b"\r\n", b'"', b"'", b"m0,0,4,4,0,16", b"m1,1,99999999,99999999,3,9", b"#", b"%s"),
  *(b"../../etc/passwd", b"{}", b"[" * 3000, b"\xff\xfe", b"\xef\xbb\xbf", b"a" * 140_000, b"frame", b"target", b"-"),
)


SEPARATORS = (b",", b"\t", b" ", b";", b", ")


def edited(seed: bytes, entropy: int, *, head: int = 0) -> bytes:
  """A seed with up to five edits, in its first bytes alone or anywhere (0).

  Bytes are overwritten, put in, taken out, doubled or flipped, or the end is cut off.
  """
  rng, content = random.Random(entropy), bytearray(seed)
  for _ in range(rng.randrange(6)):
    at = rng.randrange(max(1, min(head or len(content), len(content))))
    piece = rng.choice(TOKENS) if rng.random() < 0.4 else rng.randbytes(rng.randrange(9))
    match rng.randrange(16):
      case 0 | 1 | 2 | 3 | 4:
        content[at : at + len(piece)] = piece
      case 5 | 6 | 7:
        content[at:at] = piece
      case 8 | 9:
        del content[at : at + rng.choice((1, 1, 2, 4, 50))]
      case 10:
        content[at:at] = content[at : at + 64]
      case 11:
        del content[at:]
      case _ if content:
        content[at] ^= 1 << rng.randrange(8)
  return bytes(content)


def lined(entropy: int) -> bytes:
  """Lines of numbers, and of what is none."""
  rng = random.Random(entropy)

  def cell() -> bytes:
    kind = rng.random()
    return (
      b"%d" % rng.randint(-5, 60)
      if kind < 0.5
      else b"%.3f" % rng.uniform(-50, 99)
      if kind < 0.8
      else rng.choice(TOKENS)
    )

  return b"\n".join(
    rng.choice(SEPARATORS).join(cell() for _ in range(rng.randrange(10))) for _ in range(rng.randrange(6))
  )


ENTROPY = st.integers(0, 2**64 - 1)
NUMBERS = (
  st.integers(-5, 60).map(str)
  | st.floats(-50, 100, width=32).map("{:.3f}".format)
  | st.sampled_from([token.decode("latin1") for token in TOKENS])
)
TEXT = ENTROPY.map(lined)


def mutated(seeds: list[bytes], *, head: int = 0) -> st.SearchStrategy:
  """One of the seeds, edited; now and then bytes of no kind."""
  return st.builds(edited, st.sampled_from(seeds), ENTROPY, head=st.sampled_from([0, head])) | st.binary(max_size=60)
