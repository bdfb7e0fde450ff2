"""The command `yurong`: what a person types, and what it prints.

Exit codes:

    0    done
    1    a bug of ours: the traceback says where
    2    the command line is wrong
    3    a file, a setting or a port cannot be used
    4    it came to no end or was refused
    5    the home, its keys or the protection asked for cannot be had
    130  stopped by the keyboard
"""
