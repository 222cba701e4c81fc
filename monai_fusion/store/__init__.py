"""The preprocessed store: what a file becomes by a chain of deterministic transforms, kept on disk.

Import its modules one by one: a command that only reads a store (``monai-fusion cache``) does not wait for torch and
MONAI.
"""
