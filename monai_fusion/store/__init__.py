"""The preprocessed store: what a file becomes by a chain of deterministic transforms, kept on disk.

Import its modules: what only looks into a store (``monai-fusion cache``) does not wait for torch and MONAI.
"""
