"""The names of the fields in a sample, in a batch and in what the network returns."""

EEG = "eeg"
MRI = "mri"
LABEL = "label"
PARTICIPANT_ID = "participant_id"
PRESENT = "present"
SEGMENTS = "segments"
STREAMED = "streamed"

LOGITS = "logits"
GATE = "gate"
EEG_EMBEDDING = "eeg_embedding"
MRI_EMBEDDING = "mri_embedding"
FUSED_EMBEDDING = "fused_embedding"
PROBABILITIES = "probabilities"
SEGMENT_PROBABILITIES = "segment_probabilities"
SEGMENT_EEG_EMBEDDINGS = "segment_eeg_embeddings"

# In which number format networks may compute (monai_fusion.precision).
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
