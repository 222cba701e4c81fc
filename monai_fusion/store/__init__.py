"""The preprocessed store: the results of a chain of deterministic transforms for each file, kept on disk.

Import its modules one by one: a command that only reads a store (``monai-fusion cache``) does not wait for torch and
MONAI.
"""
