"""Training, validation and test parts, or folds, of a datalist."""
