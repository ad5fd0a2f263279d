"""Phase 1, phase 2 and the choice of gates by cross-fitting."""
