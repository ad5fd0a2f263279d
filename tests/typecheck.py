"""The type checker that conftest's import hook puts on every function of the library."""

from beartype import BeartypeConf, beartype

# PEP 484's tower: where a float is asked for, an int will do.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
