"""What is trained on: samples, the sets that methods name, and the texts of forgetting."""
