"""The 22 joints on any skeleton: by the parts of its names and the shape of its tree."""
