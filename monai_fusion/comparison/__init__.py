"""Is fusion worth it? Variants of the training on the same folds and seeds, and how sure their differences are.

Nothing is imported here: `monai-fusion compare --help` does not wait for torch.
"""
