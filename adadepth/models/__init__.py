"""Networks: architecture, backbone, gates, and models in files."""
