"""The names of the fields in a sample, in a batch and in what the network returns."""

EEG = "eeg"
MRI = "mri"
MRI_FEATURES = "mri_features"
LABEL = "label"
PARTICIPANT_ID = "participant_id"

LOGITS = "logits"
GATE = "gate"
EEG_EMBEDDING = "eeg_embedding"
MRI_EMBEDDING = "mri_embedding"
FUSED_EMBEDDING = "fused_embedding"
PROBABILITIES = "probabilities"
