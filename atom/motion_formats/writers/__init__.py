"""Writers of motion files, and the skeleton, rotations and body that they need."""
