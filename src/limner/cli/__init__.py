"""The command line: one module a command. Modules are light; what is heavy is imported when a command runs.

Exit codes: 0 done, 1 the run failed, 2 bad input. Errors go to stderr and name the node, the input and the remedy.
"""
