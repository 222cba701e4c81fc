"""Plain numbers of the recordings, and what a logistic regression on them can do: what a network has to beat.

Nothing here imports torch or MONAI. scikit-learn is imported where a model is fitted.
"""
