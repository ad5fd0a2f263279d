"""Other trackers and the same network in PyTorch, each in a process of its own that is asked to run in turns with us.

`process` is our end of the pipe; `serve`, `torch_side` and `opencv_side` run at the other end, in an interpreter that
has what they need and nothing of adadepth.
"""
