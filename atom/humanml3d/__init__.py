"""HumanML3D as input: a folder of features and captions is read, checked and turned into codes."""
