"""The command `yurong`: what a person types, and what it prints.

Exit codes:

    0    done
    1    a bug of ours: the traceback says where
    2    the command line is wrong
    3    a file or setting cannot be used
    4    the run came to no end
    5    the protection asked for cannot be had, so nothing was started
    130  stopped by the keyboard
"""
