"""Human motion: joints, HumanML3D features, mirroring, motion files and physical measures."""
