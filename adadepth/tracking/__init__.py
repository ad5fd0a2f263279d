"""From frames to boxes: the policies, the step, budgets and the public Tracker."""
