"""Is fusion worth it? Variants of the training on the same folds and seeds, and the certainty of their differences.

This file imports no module, so that `monai-fusion compare --help` does not wait for torch.
"""
