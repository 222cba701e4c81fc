"""What the recordings of a training part are like, and how unlike them the recordings of a new participant are.

A training saves the profile of its training part (``cohort_profile.json``): quantiles and counts of plain numbers of
the recordings, of no single participant. A prediction compares each participant with it and names what differs.
Nothing here imports torch or MONAI.
"""
