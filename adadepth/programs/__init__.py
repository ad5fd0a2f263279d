"""Layer 3: what XLA compiles. Policies, the two training steps, the tracker."""
